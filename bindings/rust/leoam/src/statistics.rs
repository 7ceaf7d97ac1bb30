//! Numbers about work and memory.

use crate::ffi::record;

record! {
    /// Of an instance, now. Times are in microseconds.
    InstanceStatistics from leoam_instance_statistics {
        /// Threads that compute.
        n_threads: u32,
        /// Most bytes of KV in memory.
        host_kv_budget_bytes: u64,
        /// In use by all sessions now: pages, tables, buffers of transfers.
        host_kv_bytes: u64,
        /// At most so far.
        host_kv_peak_bytes: u64,
        /// Of all loaded models, in memory.
        weight_bytes: u64,
        /// Scratch of the forward pass.
        workspace_bytes: u64,
        /// Forward passes so far.
        n_steps: u64,
        /// Most bytes of KV in files.
        disk_kv_budget_bytes: u64,
        /// Of scratch and open session files now.
        disk_kv_bytes: u64,
        /// So far, of whatever purpose.
        disk_written_bytes: u64,
        /// `u64::MAX`: none.
        disk_write_cap_bytes: u64,
        /// KV pages read so far.
        disk_read_bytes: u64,
        /// Requests for them; adjacent pages are one.
        n_disk_reads: u64,
        /// Forward passes have waited so long for files.
        stall_us: u64,
        /// Pages that were asked for and in memory.
        n_pages_hit: u64,
        /// Pages read when they were asked for.
        n_pages_missed: u64,
        /// Pages read before.
        n_pages_ahead: u64,
        /// Pages that had no whole copy.
        n_pages_damaged: u64,
        /// Computed again to replace damaged pages.
        recomputed_tokens: u64,
        /// 0: the device computes in memory, and so are those below.
        device_kv_budget_bytes: u64,
        /// In the memory of the device now.
        device_kv_bytes: u64,
        /// At most so far.
        device_kv_peak_bytes: u64,
        /// Of KV, copied from memory to the device so far.
        raised_bytes: u64,
        /// And back.
        lowered_bytes: u64,
        /// Of `disk_read_bytes`: KV.
        kv_read_bytes: u64,
        /// Of `disk_read_bytes`: bounds and means of abstracts.
        record_read_bytes: u64,
        /// Of `disk_read_bytes`: codes of keys.
        code_read_bytes: u64,
        /// Something was on its way from files so long; what of it `stall_us` does not have was hidden behind
        /// the compute.
        reading_us: u64,
    }
}

record! {
    /// Of a request, now. Times are in microseconds.
    RequestStatistics from leoam_request_statistics {
        /// Tokens of the prompt.
        prompt_tokens: u64,
        /// Of them, computed so far; not those that another session had computed.
        prefilled_tokens: u64,
        /// Tokens drawn so far.
        generated_tokens: u64,
        /// From submission; 0 before it.
        time_to_first_token_us: u64,
        /// Time inside prefill steps.
        prefill_us: u64,
        /// Time inside decode steps.
        decode_us: u64,
        /// KV bytes that attention read.
        kv_bytes_read: u64,
        /// Weight bytes that the steps read, shared ones once a step.
        weight_bytes_read: u64,
    }
}

record! {
    /// What one query head of one layer attended to in the newest step; all 1 where that was everything.
    HeadAttention from leoam_head_attention {
        /// Certain share of the head's attention in what it attended to, 0 to 1.
        coverage: f32,
        /// The true share; -1 when the step was not audited.
        captured: f32,
        /// Tokens attended to, as a share of the context.
        attended_share: f32,
    }
}

record! {
    /// One layer of the newest step, which sequences of several sessions may have shared. Times are in
    /// microseconds since the step began.
    LayerTimes from leoam_layer_times {
        /// From 0.
        layer: u32,
        /// When the layer began.
        begin_us: u64,
        /// When it ended.
        end_us: u64,
        /// Without `waiting_us`, and without pauses of a request that is stepped.
        computing_us: u64,
        /// For pages from slower tiers.
        waiting_us: u64,
        /// KV and abstracts that were sent for when they were needed.
        demand_bytes: u64,
        /// And those before.
        ahead_bytes: u64,
        /// The first of them was sent for, perhaps before the step began: then below 0.
        sent_us: i64,
        /// The last was in place; both 0: nothing was brought in.
        arrived_us: i64,
    }
}

record! {
    /// Why old pages become what they do with [`KvType::Auto`](crate::KvType::Auto): expectations for the
    /// next token when it was decided last; zeros where nothing was to be decided yet. Arrays are in the
    /// order F16, K8V8, K8V4, K4V4; 0: not looked at.
    KvChoice from leoam_kv_choice {
        /// F16, K8V8, K8V4 or K4V4.
        kv_type: crate::model::KvType,
        /// Of the context.
        n_tokens: u64,
        /// `u64::MAX`: not bounded.
        host_kv_budget_bytes: u64,
        /// 0: the machine has not been measured, or has no disk tier.
        disk_read_bytes_per_second: f64,
        /// Expected for the next token.
        decode_seconds: [f64; 4],
        /// From disk.
        read_bytes: [u64; 4],
    }
}
