#include <cstdio>
#include <iostream>

#include "common.h"
#include "interrupt.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

Json plan_json(const leoam_plan& plan) {
  Json json = {{"context_tokens", plan.context_tokens},
               {"fits", plan.fits != 0},
               {"fits_with_disk", plan.context_tokens <= plan.fitting_with_disk_tokens},
               {"fitting_tokens", plan.fitting_tokens},
               {"fitting_with_disk_tokens", plan.fitting_with_disk_tokens},
               {"weight_bytes", plan.weight_bytes},
               {"workspace_bytes", plan.workspace_bytes},
               {"total_bytes", plan.total_bytes},
               {"kv_type", kv_type_name(static_cast<KvType>(plan.kv_type))},
               {"kv_token_bytes", plan.kv_token_bytes},
               {"kv_bytes", plan.kv_bytes},
               {"host_kv_bytes", plan.host_kv_bytes},
               {"disk_kv_bytes", plan.disk_kv_bytes},
               {"session_file_bytes", plan.session_file_bytes},
               {"disk_written_bytes", plan.disk_written_bytes},
               {"token_read_bytes", plan.token_read_bytes},
               {"piece_tokens", plan.piece_tokens},
               {"prefill_tokens_per_second", plan.prefill_tokens_per_second},
               {"decode_tokens_per_second", plan.decode_tokens_per_second},
               {"reopen_seconds", plan.reopen_seconds}};
  return json;
}

void print(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    std::cout << key << ": " << value.dump();
    if (key.ends_with("_bytes")) std::cout << " (" << human_bytes(value.get<uint64_t>()) << ")";
    std::cout << '\n';
  }
}

}  // namespace

void add_plan(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions {
    bool saved = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "plan", "What a model and a context will need, tier by tier; reads the header of the file only");
  add_model_options(*command, *options);
  command->add_flag("--saved", options->saved, "The session is saved in a file at the end");
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      CancelFlag cancel(instance);
      const Interrupt interrupt(&cancel);
      PlanOptions wish;
      wish.context_tokens = options->context_tokens;
      wish.speed = true;
      wish.saved = options->saved;
      wish.cancel = cancel;
      wish.kv_type = options->kv_type;
      const Json json = plan_json(plan(instance, options->model, wish, load_options(*options)));
      options->json ? print_json(json) : print(json);
    };
  });
}

}  // namespace leoam::cli
