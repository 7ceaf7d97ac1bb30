#include <cmath>
#include <optional>

#include "c_api/src/guard.h"
#include "c_api/src/objects.h"
#include "c_api/src/options.h"
#include "runtime/engine/planner.h"

namespace leoam::c_api {

Result<std::shared_ptr<const Model>> ModelObject::loaded() const {
  if (model) return model;
  return error(ErrorKind::unsupported, "model: only its header was loaded");
}

Result<const Tokenizer*> ModelObject::tokenizer() const {
  LEOAM_ASSIGN_OR_RETURN(const std::shared_ptr<const Model> weights, loaded());
  if (weights->tokenizer()) return weights->tokenizer();
  return error(ErrorKind::unsupported, "model: its file has no tokenizer");
}

namespace {

Result<ModelOptions> read_overrides(const leoam_load_options& c) {
  ModelOptions options;
  LEOAM_RETURN_IF_ERROR(check_flags(c.flags, LEOAM_LOAD_HEADER_ONLY, "flags"));
  if (c.rope_scaling < LEOAM_ROPE_FROM_FILE || c.rope_scaling > LEOAM_ROPE_YARN) {
    return error(ErrorKind::invalid_argument, "rope_scaling: {}", c.rope_scaling);
  }
  if (c.rope_scaling != LEOAM_ROPE_FROM_FILE)
    options.rope_scaling = static_cast<RopeScaling>(c.rope_scaling - 1);
  if (c.rope_factor != 0) {
    if (!std::isfinite(c.rope_factor) || c.rope_factor < 1) {
      return error(ErrorKind::invalid_argument, "rope_factor: {}, expected at least 1", c.rope_factor);
    }
    options.rope_factor = c.rope_factor;
  }
  if (c.rope_base != 0) {
    if (!std::isfinite(c.rope_base) || c.rope_base < 0) {
      return error(ErrorKind::invalid_argument, "rope_base: {}, expected more than 0", c.rope_base);
    }
    options.rope_base = c.rope_base;
  }
  if (c.rope_original_context_tokens != 0)
    options.rope_original_context_tokens = c.rope_original_context_tokens;
  if (c.context_tokens != 0) options.context_tokens = c.context_tokens;
  return options;
}

Result<std::shared_ptr<ModelObject>> load(const std::shared_ptr<InstanceObject>& instance,
                                          const std::string& path, const leoam_load_options& c) {
  LEOAM_ASSIGN_OR_RETURN(const ModelOptions options, read_overrides(c));
  auto object = std::make_shared<ModelObject>();
  object->instance = instance;
  if (c.flags & LEOAM_LOAD_HEADER_ONLY) {
    LEOAM_ASSIGN_OR_RETURN(object->header_only, Model::read_header(path, options));
    return object;
  }
  const CancelArgument given(c.cancel);
  LEOAM_RETURN_IF_ERROR(given.check());
  CancelFlag cancel(given.get());
  LoadProgress progress;
  const auto on_progress = read_progress(c.on_progress, c.user_data, instance->callbacks());
  if (on_progress) {
    progress = [&](uint64_t done, uint64_t total) {
      if (!cancel.cancelled() && !on_progress(done, total)) cancel.cancel();
    };
  }
  LEOAM_ASSIGN_OR_RETURN(object->model, instance->engine().load_model(path, options, progress, &cancel));
  return object;
}

leoam_model_info make_info(const ModelObject& object) {
  const ModelHeader& header = object.header();
  const ModelConfig& config = header.config;
  leoam_model_info c{};
  c.gguf_version = header.gguf_version;
  c.architecture = to_c(config.architecture ? config.architecture->name : "");
  c.name = to_c(config.name);
  c.quantization = to_c(header.quantization);
  c.tokenizer = to_c(header.tokenizer_model);
  c.pre_tokenizer = to_c(header.pre_tokenizer);
  if (!header.tokenizer_model.empty() && header.tokenizer_model != "none")
    c.flags |= LEOAM_MODEL_HAS_TOKENIZER;
  if (header.has_chat_template) c.flags |= LEOAM_MODEL_HAS_CHAT_TEMPLATE;
  if (!object.model) c.flags |= LEOAM_MODEL_HEADER_ONLY;
  c.n_layers = config.n_layers;
  c.n_embd = config.n_embd;
  c.n_heads = config.n_heads;
  c.n_kv_heads = config.n_kv_heads;
  c.head_dim = config.head_dim;
  c.n_ff = config.n_ff;
  c.n_vocab = config.n_vocab;
  c.context_tokens = config.context_tokens;
  c.sliding_window_tokens = config.sliding_window_tokens;
  c.rope_scaling = static_cast<leoam_rope_scaling>(config.rope.scaling) + 1;
  c.rope_factor = config.rope.factor;
  c.rope_base = config.rope.base;
  c.rope_original_context_tokens = config.rope.original_context_tokens;
  c.bos_token = -1;
  c.eos_token = -1;
  if (object.model && object.model->tokenizer()) {
    const Tokenizer& tokenizer = *object.model->tokenizer();
    c.bos_token = tokenizer.bos();
    c.eos_token = tokenizer.eos();
    if (tokenizer.add_bos_by_default()) c.flags |= LEOAM_MODEL_ADDS_BOS;
  }
  c.n_parameters = header.n_parameters;
  c.n_tensors = header.n_tensors;
  c.n_metadata = header.metadata.size();
  c.file_bytes = header.file_bytes;
  c.weight_bytes = header.weight_bytes;
  c.memory_bytes = object.model ? object.model->device_bytes() : 0;
  return c;
}

}  // namespace

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_model_plan(leoam_instance* instance, const char* path, uint64_t path_size,
                              const leoam_load_options* load, const leoam_plan_options* options,
                              leoam_plan* out_plan, leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_plan, "out_plan"));
    std::string file;
    LEOAM_RETURN_IF_ERROR(read_path(path, path_size, &file));
    leoam_load_options c_load;
    LEOAM_RETURN_IF_ERROR(read_struct(load, "load", &c_load));
    leoam_plan_options c_options;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c_options));
    LEOAM_ASSIGN_OR_RETURN(const ModelOptions overrides, read_overrides(c_load));
    PlanRequest request;
    request.context_tokens = c_options.context_tokens;
    LEOAM_ASSIGN_OR_RETURN(const KvFormat kv, read_kv_type(c_options.kv_type));
    request.kv_type = kv.type;
    request.page_codec = kv.codec;
    request.choose_kv_type = kv.choose;
    LEOAM_RETURN_IF_ERROR(read_page_tokens(c_options.page_tokens, &request.page_tokens));
    LEOAM_RETURN_IF_ERROR(check_flags(c_options.flags, LEOAM_PLAN_SPEED | LEOAM_PLAN_SAVED, "flags"));
    const CancelArgument cancel(c_options.cancel);
    LEOAM_RETURN_IF_ERROR(cancel.check());
    const EngineStatistics budgets = object.engine().statistics();
    request.host_kv_budget_bytes =
        c_options.host_kv_budget_bytes == 0 ? budgets.host_kv_budget_bytes : c_options.host_kv_budget_bytes;
    request.disk_kv_budget_bytes =
        c_options.disk_kv_budget_bytes == 0 ? budgets.disk_kv_budget_bytes : c_options.disk_kv_budget_bytes;
    request.saved = (c_options.flags & LEOAM_PLAN_SAVED) != 0;
    LEOAM_ASSIGN_OR_RETURN(const ModelHeader header, Model::read_header(file, overrides));
    std::optional<Rates> rates;
    if (c_options.flags & LEOAM_PLAN_SPEED) {
      LEOAM_ASSIGN_OR_RETURN(rates, object.engine().calibration(cancel.get()));
    }
    const Plan plan = make_plan(header, request, rates ? &*rates : nullptr);
    leoam_plan c{};
    c.fits = plan.fits ? 1 : 0;
    c.context_tokens = plan.context_tokens;
    c.weight_bytes = plan.weight_bytes;
    c.kv_token_bytes = plan.kv_token_bytes;
    c.kv_bytes = plan.kv_bytes;
    c.workspace_bytes = plan.workspace_bytes;
    c.total_bytes = plan.total_bytes;
    c.fitting_tokens = plan.fitting_tokens;
    c.fitting_with_disk_tokens = plan.fitting_with_disk_tokens;
    c.host_kv_bytes = plan.host_kv_bytes;
    c.disk_kv_bytes = plan.disk_kv_bytes;
    c.session_file_bytes = plan.session_file_bytes;
    c.disk_written_bytes = plan.disk_written_bytes;
    c.token_read_bytes = plan.token_read_bytes;
    c.prefill_tokens_per_second = plan.prefill_tokens_per_second;
    c.decode_tokens_per_second = plan.decode_tokens_per_second;
    c.reopen_seconds = plan.reopen_s;
    c.piece_tokens = plan.piece_tokens;
    c.kv_type = to_c(plan.kv_type, plan.page_codec);
    write_struct(out_plan, c);
    return {};
  });
}

leoam_status leoam_model_load(leoam_instance* instance, const char* path, uint64_t path_size,
                              const leoam_load_options* options, leoam_model** out_model,
                              leoam_error* error) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_model, "out_model"));
    *out_model = nullptr;
    const Pinned<InstanceObject> object(instance);
    if (!object) return invalid_handle<InstanceObject>();
    LEOAM_RETURN_IF_ERROR(object->callbacks().refuse("leoam_model_load"));
    std::string file;
    LEOAM_RETURN_IF_ERROR(read_path(path, path_size, &file));
    leoam_load_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    LEOAM_ASSIGN_OR_RETURN(auto model, load(object.share(), file, c));
    return hand_out(std::move(model), out_model);
  });
}

leoam_status leoam_model_release(leoam_model* model) noexcept {
  return release<ModelObject>(model);
}

leoam_status leoam_model_get_info(leoam_model* model, leoam_model_info* out_info,
                                  leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_info, "out_info"));
    write_struct(out_info, make_info(object));
    return {};
  });
}

leoam_status leoam_model_get_metadata(leoam_model* model, uint64_t index, leoam_string* out_key,
                                      leoam_string* out_value, leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) {
    return write_pair(object.header().metadata, index, out_key, out_value);
  });
}
