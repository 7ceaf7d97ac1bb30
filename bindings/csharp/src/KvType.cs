namespace LeoAM
{
    /// <summary>What keys and values are kept as, in every tier and in session files.</summary>
    public enum KvType
    {
        /// <summary>F16; in an opened session, that of its file.</summary>
        Default = 0,

        /// <summary>16-bit floats.</summary>
        F16 = 1,

        /// <summary>32-bit floats.</summary>
        F32 = 2,

        /// <summary>8 bits and scales, every token encoded when it is computed.</summary>
        Int8 = 3,

        /// <summary>
        /// F16, whose old pages become what is expected to be fastest of the codecs that lose little enough:
        /// see <see cref="Session.GetKvChoice"/>.
        /// </summary>
        Auto = 4,

        /// <summary>
        /// F16, of which pages behind the 128 newest tokens and the first 32 have 8 bits for keys and values.
        /// </summary>
        K8V8 = 5,

        /// <summary>Likewise, 8 bits for keys and 4 for values.</summary>
        K8V4 = 6,

        /// <summary>Likewise, 4 bits for both.</summary>
        K4V4 = 7,
    }
}
