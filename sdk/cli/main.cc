// The leoam command: the library's public interface from a terminal or a script.
// Exit status: 0 done, 1 failed (the reason on standard error), 2 wrong usage.
#include <cstdio>
#include <iostream>

#include "common.h"

namespace {

int fail(const std::string& reason) {
  std::cerr << "leoam: " << reason << '\n';
  return 1;
}

// A full disk or a closed pipe shows here at the latest.
int done() {
  return std::cout.flush() && std::fflush(stdout) == 0 ? 0 : fail("cannot write to standard output");
}

int run_program(int argc, char** argv) {
  CLI::App program("Local language models over very long context.", "leoam");
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
    // Not require_subcommand, which hides that a given one is unknown.
    if (!run) throw CLI::RequiredError("A command");
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? done() : 2;
  }
  run();
  return done();
}

}  // namespace

int main(int argc, char** argv) try { return run_program(argc, argv); } catch (const leoam::Error& error) {
  std::string reason = std::string(error.name()) + ": " + error.what();
  if (error.needed_bytes() > 0)
    reason += " (needed " + std::to_string(error.needed_bytes()) + " bytes, available " +
              std::to_string(error.available_bytes()) + ")";
  return fail(reason);
} catch (const std::exception& error) {
  return fail(error.what());
}
