package io.leoam;

/** What keys and values are kept as, in every tier and in session files. */
public enum KvType implements Numbered {
  /** F16; in an opened session, that of its file. */
  DEFAULT(0),
  /** 16-bit floats. */
  F16(1),
  /** 32-bit floats. */
  F32(2),
  /** 8 bits and scales, every token encoded when it is computed. */
  INT8(3),
  /**
   * F16, whose old pages become what is expected to be fastest of the codecs that lose little enough: see {@link
   * Session#kvChoice()}.
   */
  AUTO(4),
  /** F16, of which pages behind the 128 newest tokens and the first 32 have 8 bits for keys and values. */
  K8V8(5),
  /** Likewise, 8 bits for keys and 4 for values. */
  K8V4(6),
  /** Likewise, 4 bits for both. */
  K4V4(7),
  /** One that this version does not know. */
  UNKNOWN(-1);

  private final int number;

  KvType(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }

  static KvType of(int number) {
    return Numbered.of(values(), number, UNKNOWN);
  }
}
