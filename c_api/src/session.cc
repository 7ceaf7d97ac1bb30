#include "c_api/src/new_session.h"

namespace leoam::c_api {

namespace {

EvaluateOptions make_options(const leoam_evaluate_options& c, const CancelFlag* cancel, CallbackList& list) {
  EvaluateOptions options;
  options.all_logits = (c.flags & LEOAM_EVALUATE_ALL_LOGITS) != 0;
  options.audit = (c.flags & LEOAM_EVALUATE_AUDIT) != 0;
  options.cancel = cancel;
  if (c.on_logits) {
    options.on_logits = [&c, &list](uint64_t position, std::span<const float> logits) {
      const CallbackList::Scope scope(list);
      return c.on_logits(position, logits.data(), logits.size(), c.user_data) == LEOAM_CONTINUE;
    };
  }
  options.on_progress = read_progress(c.on_progress, c.user_data, list);
  return options;
}

Status check_head_count(const Session& session, uint64_t count) {
  const ModelConfig& config = session.model().config();
  const uint64_t expected = uint64_t{config.n_layers} * config.n_heads;
  if (count == expected) return {};
  return error(ErrorKind::invalid_argument, "count: {}, expected n_layers * n_heads = {}", count, expected);
}

}  // namespace

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_session_create(leoam_model* model, const leoam_session_options* options,
                                  leoam_session** out_session, leoam_error* error) noexcept {
  return guarded_new_session(model, options, out_session, error, [](NewSession& wanted) {
    return wanted.instance.engine().create_session(std::move(wanted.weights), wanted.options);
  });
}

leoam_status leoam_session_release(leoam_session* session) noexcept {
  return release<SessionObject>(session);
}

leoam_status leoam_session_get_info(leoam_session* session, leoam_session_info* out_info,
                                    leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_info, "out_info"));
    Session& engine_session = *object.session;
    leoam_session_info c{};
    c.kv_type = to_c(engine_session.options().kv_type, engine_session.page_codec());
    c.policy = to_c(engine_session.options().policy.name);
    c.n_tokens = engine_session.n_tokens();
    c.context_tokens = engine_session.options().context_tokens;
    c.kv_bytes = engine_session.kv_bytes();
    c.page_tokens = engine_session.options().page_tokens;
    c.n_vocab = engine_session.model().config().n_vocab;
    if (engine_session.file_info().ok()) c.flags |= LEOAM_SESSION_HAS_FILE;
    c.piece_tokens = engine_session.options().piece_tokens;
    // Looks at every page: for those only who have room for it.
    if (out_info->struct_size > offsetof(leoam_session_info, resident_kv_bytes))
      c.resident_kv_bytes = engine_session.resident_kv_bytes();
    const SelectionStatistics selection = engine_session.selection_statistics();
    c.n_selections = selection.n_selections;
    c.n_attended_tokens = selection.n_attended_tokens;
    c.n_candidate_tokens = selection.n_context_tokens;
    c.n_chunks_evaluated = selection.n_chunks_evaluated;
    c.n_pages_needed = selection.n_pages_needed;
    c.n_pages_fetched = selection.n_pages_fetched;
    c.n_pages_guessed = selection.n_pages_guessed;
    c.n_widened = selection.n_widened;
    c.coverage_sum = selection.coverage;
    c.least_coverage = selection.least_coverage;
    c.n_audited = selection.n_audited;
    c.captured_sum = selection.captured;
    c.n_prefill_attended_tokens = selection.n_prefill_attended_tokens;
    c.n_prefill_candidate_tokens = selection.n_prefill_context_tokens;
    write_struct(out_info, c);
    return {};
  });
}

leoam_status leoam_session_evaluate(leoam_session* session, const int32_t* tokens, uint64_t n_tokens,
                                    const leoam_evaluate_options* options, leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    CallbackList& list = object.model->instance->callbacks();
    LEOAM_RETURN_IF_ERROR(list.refuse("leoam_session_evaluate"));
    std::span<const int32_t> input;
    LEOAM_RETURN_IF_ERROR(read_array(tokens, n_tokens, "tokens", &input));
    leoam_evaluate_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    LEOAM_RETURN_IF_ERROR(check_flags(c.flags, LEOAM_EVALUATE_ALL_LOGITS | LEOAM_EVALUATE_AUDIT, "flags"));
    const CancelArgument cancel(c.cancel);
    LEOAM_RETURN_IF_ERROR(cancel.check());
    return object.session->evaluate(input, make_options(c, cancel.get(), list));
  });
}

leoam_status leoam_session_truncate(leoam_session* session, uint64_t n_tokens, leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(object.model->instance->callbacks().refuse("leoam_session_truncate"));
    return object.session->truncate(n_tokens);
  });
}

leoam_status leoam_session_copy_tokens(leoam_session* session, uint64_t begin, int32_t* tokens,
                                       uint64_t count, leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    if (count > INT32_MAX) return leoam::error(ErrorKind::invalid_argument, "count: {}", count);
    if (count != 0) LEOAM_RETURN_IF_ERROR(check_pointer(tokens, "tokens"));
    return object.session->copy_tokens(begin, {tokens, static_cast<size_t>(count)});
  });
}

leoam_status leoam_session_copy_logits(leoam_session* session, float* logits, uint64_t count,
                                       leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(logits, "logits"));
    const uint32_t n_vocab = object.session->model().config().n_vocab;
    if (count != n_vocab) {
      return leoam::error(ErrorKind::invalid_argument, "count: {}, expected n_vocab {}", count, n_vocab);
    }
    return object.session->copy_logits({logits, static_cast<size_t>(count)});
  });
}

leoam_status leoam_session_copy_coverage(leoam_session* session, float* coverage, uint64_t count,
                                         leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(coverage, "coverage"));
    LEOAM_RETURN_IF_ERROR(check_head_count(*object.session, count));
    return object.session->copy_coverage({coverage, static_cast<size_t>(count)});
  });
}

leoam_status leoam_session_copy_attention(leoam_session* session, leoam_head_attention* heads, uint64_t count,
                                          leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(heads, "heads"));
    LEOAM_RETURN_IF_ERROR(check_head_count(*object.session, count));
    LEOAM_RETURN_IF_ERROR(check_out_structs(heads, count, "heads"));
    std::vector<HeadAttention> figures(static_cast<size_t>(count));
    LEOAM_RETURN_IF_ERROR(object.session->copy_attention(figures));
    for (uint64_t i = 0; i < count; ++i) {
      const HeadAttention& one = figures[static_cast<size_t>(i)];
      write_struct_at(heads, i, {0, one.coverage, one.captured, one.attended_share});
    }
    return {};
  });
}

leoam_status leoam_session_copy_layer_times(leoam_session* session, leoam_layer_times* layers, uint64_t count,
                                            leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(layers, "layers"));
    const uint32_t expected = object.session->model().config().n_layers;
    if (count != expected)
      return leoam::error(ErrorKind::invalid_argument, "count: {}, expected n_layers {}", count, expected);
    LEOAM_RETURN_IF_ERROR(check_out_structs(layers, count, "layers"));
    std::vector<LayerTimes> times(static_cast<size_t>(count));
    LEOAM_RETURN_IF_ERROR(object.session->copy_layer_times(times));
    for (uint32_t i = 0; i < count; ++i) {
      const LayerTimes& one = times[i];
      write_struct_at(layers, i,
                      {0, i, one.begin_us, one.end_us, one.computing_us, one.waiting_us, one.demand_bytes,
                       one.ahead_bytes, one.sent_us, one.arrived_us});
    }
    return {};
  });
}

leoam_status leoam_session_get_kv_choice(leoam_session* session, leoam_kv_choice* out_choice,
                                         leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_choice, "out_choice"));
    const CodecChoice choice = object.session->codec_choice();
    leoam_kv_choice c{};
    if (choice.n_tokens != 0) c.kv_type = to_c(kernels::KvType::f16, choice.codec);
    c.n_tokens = choice.n_tokens;
    c.host_kv_budget_bytes = choice.host_kv_budget_bytes;
    c.disk_read_bytes_per_second = choice.disk_read_bytes_per_second;
    static_assert(std::size(c.decode_seconds) == kernels::kPageCodecs);
    std::ranges::copy(choice.decode_s, c.decode_seconds);
    std::ranges::copy(choice.read_bytes, c.read_bytes);
    write_struct(out_choice, c);
    return {};
  });
}

leoam_status leoam_session_fork(leoam_session* session, leoam_session** out_session,
                                leoam_error* error) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_session, "out_session"));
    *out_session = nullptr;
    const Pinned<SessionObject> object(session);
    if (!object) return invalid_handle<SessionObject>();
    auto copy = std::make_shared<SessionObject>();
    copy->model = object->model;
    LEOAM_ASSIGN_OR_RETURN(copy->session, object->session->fork());
    return hand_out(std::move(copy), out_session);
  });
}

leoam_status leoam_session_suspend(leoam_session* session, const leoam_suspend_options* options,
                                   leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    CallbackList& list = object.model->instance->callbacks();
    LEOAM_RETURN_IF_ERROR(list.refuse("leoam_session_suspend"));
    leoam_suspend_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    const CancelArgument cancel(c.cancel);
    LEOAM_RETURN_IF_ERROR(cancel.check());
    return object.session->suspend({read_progress(c.on_progress, c.user_data, list), cancel.get()});
  });
}
