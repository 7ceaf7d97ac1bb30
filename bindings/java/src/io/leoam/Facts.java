package io.leoam;

import java.util.Map;

/** Pairs of texts that the library counts up to NOT_FOUND. */
final class Facts {
  private Facts() {}

  interface Source {
    void get(long handle, long index, CFact fact, CError error);
  }

  /** False when there is no such one. */
  static boolean put(Map<String, String> facts, NativeObject object, Source source, long index) {
    try (CFact fact = new CFact()) {
      return object.view(
          (handle, error) -> {
            source.get(handle, index, fact, error);
            if (error.getCode() != 0) {
              return null;
            }
            facts.put(Utf8.string(fact.getKey()), Utf8.string(fact.getValue()));
            return true;
          });
    } catch (LeoamException.NotFound end) {
      return false;
    }
  }
}
