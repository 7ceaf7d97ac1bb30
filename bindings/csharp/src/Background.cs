using System;
using System.Threading;
using System.Threading.Tasks;

namespace LeoAM
{
    /// <summary>
    /// Calls that take their time, each on a thread of its own. What awaits them goes on outside of callbacks, where
    /// everything is allowed.
    /// </summary>
    internal static class Background
    {
        private static Task<T> Run<T>(Func<T> work, CancellationToken token)
        {
            if (token.IsCancellationRequested)
            {
                return Task.FromCanceled<T>(token);
            }
            return Task.Factory.StartNew(() =>
            {
                try
                {
                    return work();
                }
                catch (LeoamCancelledException exception) when (token.IsCancellationRequested)
                {
                    throw new OperationCanceledException(exception.Message, exception, token);
                }
            }, token, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
        }

        /// <summary>Work that watches a flag: the one that is given, or one of its own, set by the token.</summary>
        internal static Task<T> Run<T>(
            InstanceState state, CancelFlag given, CancellationToken token, Func<CancelFlag, T> work)
        {
            return Run(() =>
            {
                CancelFlag flag = given ?? state.CreateCancelFlag();
                try
                {
                    using (token.Register(flag.Set))
                    {
                        return work(flag);
                    }
                }
                finally
                {
                    if (given == null)
                    {
                        flag.Dispose();
                    }
                }
            }, token);
        }

        /// <summary>Both are told; a share of 1 is all.</summary>
        internal static ProgressFunction Both(ProgressFunction function, IProgress<double> progress)
        {
            if (progress == null)
            {
                return function;
            }
            return (done, total) =>
            {
                progress.Report(total == 0 ? 1 : (double)done / total);
                return function == null || function(done, total);
            };
        }
    }
}
