/** LeoAM: local language models over very long context. */
module io.leoam {
  exports io.leoam;
}
