namespace LeoAM
{
    /// <summary>How positions beyond the trained context are encoded.</summary>
    public enum RopeScaling
    {
        /// <summary>As the model file says.</summary>
        FromFile = 0,

        /// <summary>Not scaled.</summary>
        None = 1,

        /// <summary>Linear.</summary>
        Linear = 2,

        /// <summary>YaRN.</summary>
        Yarn = 3,
    }
}
