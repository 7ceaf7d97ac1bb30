#include <cstdio>
#include <iostream>

#include "common.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

Json plan_json(const leoam_plan& plan) {
  return {{"context_tokens", plan.context_tokens},   {"fits", plan.fits != 0},
          {"fitting_tokens", plan.fitting_tokens},   {"weight_bytes", plan.weight_bytes},
          {"kv_token_bytes", plan.kv_token_bytes},   {"kv_bytes", plan.kv_bytes},
          {"workspace_bytes", plan.workspace_bytes}, {"total_bytes", plan.total_bytes}};
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
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = program.add_subcommand(
      "plan", "What a model and a context will need, tier by tier; reads the header of the file only");
  add_model_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      PlanOptions wish;
      wish.context_tokens = options->context_tokens;
      wish.kv_type = options->kv_type == "f32" ? KvType::f32 : KvType::f16;
      const Json json = plan_json(plan(instance, options->model, wish, load_options(*options)));
      options->json ? print_json(json) : print(json);
    };
  });
}

}  // namespace leoam::cli
