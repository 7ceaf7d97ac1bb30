package io.leoam;

/**
 * One layer of the newest step. Times are in microseconds since the step began.
 *
 * @param layer its index
 * @param beginUs when it began
 * @param endUs and ended
 * @param computingUs without waiting and pauses
 * @param waitingUs for pages from slower tiers
 * @param demandBytes KV and abstracts that were sent for when they were needed
 * @param aheadBytes and those before
 * @param sentUs the first of them was sent for; below 0 when the step had not begun
 * @param arrivedUs the last was in place; both 0: nothing was brought in
 */
public record LayerTimes(
    int layer,
    long beginUs,
    long endUs,
    long computingUs,
    long waitingUs,
    long demandBytes,
    long aheadBytes,
    long sentUs,
    long arrivedUs) {
  static LayerTimes of(CLayerTimes c) {
    return new LayerTimes(
        Math.toIntExact(c.getLayer()),
        Check.unsigned(c.getBeginUs()),
        Check.unsigned(c.getEndUs()),
        Check.unsigned(c.getComputingUs()),
        Check.unsigned(c.getWaitingUs()),
        Check.unsigned(c.getDemandBytes()),
        Check.unsigned(c.getAheadBytes()),
        Check.unsigned(c.getSentUs()),
        Check.unsigned(c.getArrivedUs()));
  }
}
