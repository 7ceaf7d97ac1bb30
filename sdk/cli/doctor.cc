#include <iostream>

#include "common.h"

namespace leoam::cli {

void add_doctor(CLI::App& program, std::function<void()>& run) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = program.add_subcommand("doctor", "What this machine and this build can do, and why");
  add_instance_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const auto facts = open_instance(*options).describe();
      if (options->json) {
        Json json;
        for (const auto& [key, value] : facts) json[key] = value;
        return print_json(json);
      }
      for (const auto& [key, value] : facts) std::cout << key << ": " << value << '\n';
    };
  });
}

}  // namespace leoam::cli
