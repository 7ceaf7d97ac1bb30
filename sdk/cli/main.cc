// The leoam command: the library's public interface from a terminal or a script.
// Exit status: 0 done, 1 failed (the reason on standard error), 2 wrong usage.
#include <cstdio>
#include <iostream>

#include "common.h"

int main(int argc, char** argv) {
  CLI::App program("Local language models over very long context.", "leoam");
  program.require_subcommand(1);
  program.set_version_flag("--version", [] {
    const leoam_build_info info = leoam::build_info();
    return std::string(info.version.data, info.version.size);
  });
  std::function<void()> run;
  leoam::cli::add_doctor(program, run);
  leoam::cli::add_info(program, run);
  leoam::cli::add_plan(program, run);
  leoam::cli::add_tokenize(program, run);
  leoam::cli::add_generate(program, run);
  leoam::cli::add_ask(program, run);
  leoam::cli::add_chat(program, run);
  leoam::cli::add_session(program, run);
  leoam::cli::add_eval(program, run);
  leoam::cli::add_bench(program, run);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  }
  try {
    run();
    // A full disk or a closed pipe shows here at the latest.
    if (std::cout.flush() && std::fflush(stdout) == 0) return 0;
    std::cerr << "leoam: cannot write to standard output\n";
  } catch (const leoam::Error& error) {
    std::cerr << "leoam: " << error.name() << ": " << error.what() << '\n';
    if (error.needed_bytes() > 0)
      std::cerr << "leoam: needed " << error.needed_bytes() << " bytes, available " << error.available_bytes()
                << '\n';
  } catch (const std::exception& error) {
    std::cerr << "leoam: " << error.what() << '\n';
  }
  return 1;
}
