#include <iostream>

#include "common.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

std::string text(const leoam_string& string) {
  return std::string(string.data, string.size);
}

Json info_json(const Model& model, const leoam_plan& plan) {
  const leoam_model_info info = model.info();
  Json json = {{"architecture", text(info.architecture)},
               {"name", text(info.name)},
               {"quantization", text(info.quantization)},
               {"tokenizer", text(info.tokenizer)},
               {"pre_tokenizer", text(info.pre_tokenizer)},
               {"chat_template", (info.flags & LEOAM_MODEL_HAS_CHAT_TEMPLATE) != 0},
               {"parameters", info.n_parameters},
               {"tensors", info.n_tensors},
               {"layers", info.n_layers},
               {"embedding", info.n_embd},
               {"heads", info.n_heads},
               {"kv_heads", info.n_kv_heads},
               {"head_dim", info.head_dim},
               {"feed_forward", info.n_ff},
               {"vocabulary", info.n_vocab},
               {"context_tokens", info.context_tokens},
               {"sliding_window_tokens", info.sliding_window_tokens},
               {"rope_base", info.rope_base},
               {"rope_factor", info.rope_factor},
               {"gguf_version", info.gguf_version},
               {"file_bytes", info.file_bytes},
               {"weight_bytes", info.weight_bytes},
               {"plan",
                {{"context_tokens", plan.context_tokens},
                 {"weight_bytes", plan.weight_bytes},
                 {"kv_token_bytes", plan.kv_token_bytes},
                 {"kv_bytes", plan.kv_bytes},
                 {"workspace_bytes", plan.workspace_bytes},
                 {"total_bytes", plan.total_bytes},
                 {"fits", plan.fits != 0},
                 {"fitting_tokens", plan.fitting_tokens}}}};
  return json;
}

void print(const Json& json, const std::string& indent) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      std::cout << indent << key << ":\n";
      print(value, indent + "  ");
      continue;
    }
    std::cout << indent << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump());
    if (key.ends_with("_bytes")) std::cout << " (" << human_bytes(value.get<uint64_t>()) << ")";
    std::cout << '\n';
  }
}

}  // namespace

void add_info(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions {
    bool metadata = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("info", "What a model file holds and what it will need; loads nothing");
  add_model_options(*command, *options);
  command->add_flag("--metadata", options->metadata, "All keys of the file");
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      LoadOptions load = load_options(*options);
      load.header_only = true;
      const Model model(instance, options->model, load);
      PlanOptions wish;
      wish.context_tokens = options->context_tokens;
      wish.kv_type = options->kv_type;
      Json json = info_json(model, plan(instance, options->model, wish, load_options(*options)));
      if (options->metadata)
        for (const auto& [key, value] : model.metadata())
          json["metadata"][std::string(key)] = std::string(value);
      options->json ? print_json(json) : print(json, "");
    };
  });
}

}  // namespace leoam::cli
