package io.leoam;

/**
 * What an instance has and has done so far.
 *
 * @param nThreads that compute
 * @param hostKvBudgetBytes most bytes of KV in memory
 * @param hostKvBytes in use by all sessions now: pages, tables, buffers of transfers
 * @param hostKvPeakBytes at most so far
 * @param weightBytes of all loaded models, in memory
 * @param workspaceBytes scratch of the forward pass
 * @param nSteps forward passes
 * @param diskKvBudgetBytes most bytes of KV in files
 * @param diskKvBytes of scratch and open session files now
 * @param diskWrittenBytes of whatever purpose
 * @param diskWriteCapBytes {@link Instance#UNLIMITED}: none
 * @param diskReadBytes KV pages read
 * @param nDiskReads requests for them; adjacent pages are one
 * @param stallUs forward passes have waited so long for files
 * @param nPagesHit pages that were asked for and in memory
 * @param nPagesMissed read when they were asked for
 * @param nPagesAhead read before
 * @param nPagesDamaged that had no whole copy
 * @param recomputedTokens computed again to replace damaged pages
 * @param deviceKvBudgetBytes 0: the device computes in memory, as are those below
 * @param deviceKvBytes in use now
 * @param deviceKvPeakBytes at most so far
 * @param raisedBytes of KV, copied from memory to the device
 * @param loweredBytes and back
 * @param kvReadBytes of diskReadBytes, KV
 * @param recordReadBytes of diskReadBytes, bounds with means
 * @param codeReadBytes of diskReadBytes, codes of keys
 * @param readingUs something was on its way from files so long
 */
public record InstanceStatistics(
    int nThreads,
    long hostKvBudgetBytes,
    long hostKvBytes,
    long hostKvPeakBytes,
    long weightBytes,
    long workspaceBytes,
    long nSteps,
    long diskKvBudgetBytes,
    long diskKvBytes,
    long diskWrittenBytes,
    long diskWriteCapBytes,
    long diskReadBytes,
    long nDiskReads,
    long stallUs,
    long nPagesHit,
    long nPagesMissed,
    long nPagesAhead,
    long nPagesDamaged,
    long recomputedTokens,
    long deviceKvBudgetBytes,
    long deviceKvBytes,
    long deviceKvPeakBytes,
    long raisedBytes,
    long loweredBytes,
    long kvReadBytes,
    long recordReadBytes,
    long codeReadBytes,
    long readingUs) {
  static InstanceStatistics of(CInstanceStatistics c) {
    return new InstanceStatistics(
        Math.toIntExact(c.getNThreads()),
        Check.unsigned(c.getHostKvBudgetBytes()),
        Check.unsigned(c.getHostKvBytes()),
        Check.unsigned(c.getHostKvPeakBytes()),
        Check.unsigned(c.getWeightBytes()),
        Check.unsigned(c.getWorkspaceBytes()),
        Check.unsigned(c.getNSteps()),
        Check.unsigned(c.getDiskKvBudgetBytes()),
        Check.unsigned(c.getDiskKvBytes()),
        Check.unsigned(c.getDiskWrittenBytes()),
        Check.unsigned(c.getDiskWriteCapBytes()),
        Check.unsigned(c.getDiskReadBytes()),
        Check.unsigned(c.getNDiskReads()),
        Check.unsigned(c.getStallUs()),
        Check.unsigned(c.getNPagesHit()),
        Check.unsigned(c.getNPagesMissed()),
        Check.unsigned(c.getNPagesAhead()),
        Check.unsigned(c.getNPagesDamaged()),
        Check.unsigned(c.getRecomputedTokens()),
        Check.unsigned(c.getDeviceKvBudgetBytes()),
        Check.unsigned(c.getDeviceKvBytes()),
        Check.unsigned(c.getDeviceKvPeakBytes()),
        Check.unsigned(c.getRaisedBytes()),
        Check.unsigned(c.getLoweredBytes()),
        Check.unsigned(c.getKvReadBytes()),
        Check.unsigned(c.getRecordReadBytes()),
        Check.unsigned(c.getCodeReadBytes()),
        Check.unsigned(c.getReadingUs()));
  }
}
