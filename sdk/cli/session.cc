#include <unistd.h>

#include <iostream>

#include "common.h"
#include "interrupt.h"
#include "saved_session.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

struct Options : CommonOptions {
  KeyOptions key;
  std::string file;
  std::string tokens_file;
};

Json info_json(const leoam_session_file_info& info) {
  std::string model;
  for (const uint8_t byte : info.model) {
    constexpr const char* kDigits = "0123456789abcdef";
    model += {kDigits[byte / 16], kDigits[byte % 16]};
  }
  return {{"model_name", std::string(info.model_name, info.model_name_size)},
          {"model", model},
          {"format_version", info.format_version},
          {"encrypted", (info.flags & LEOAM_SESSION_FILE_ENCRYPTED) != 0},
          {"index_lost", (info.flags & LEOAM_SESSION_FILE_INDEX_LOST) != 0},
          {"generation", info.generation},
          {"tokens", info.n_tokens},
          {"kv_tokens", info.n_kv_tokens},
          {"file_bytes", info.file_bytes},
          {"used_bytes", info.used_bytes},
          {"layers", info.n_layers},
          {"kv_heads", info.n_kv_heads},
          {"head_dim", info.head_dim},
          {"vocabulary", info.n_vocab},
          {"kv_type", kv_type_name(static_cast<KvType>(info.kv_type))},
          {"page_tokens", info.page_tokens},
          {"piece_tokens", info.piece_tokens}};
}

void print(const Options& options, const Json& json) {
  if (options.json) return print_json(json);
  for (const auto& [key, value] : json.items()) {
    if (value.is_array()) {
      for (const Json& line : value) std::cout << line.get<std::string>() << '\n';
      continue;
    }
    std::cout << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump());
    if (key.ends_with("_bytes")) std::cout << " (" << human_bytes(value.get<uint64_t>()) << ")";
    std::cout << '\n';
  }
}

// The file and its key, for one call.
class Target {
 public:
  explicit Target(const Options& options)
      : instance_(open_instance(options)),
        key_(find_key(options.key, options.file, false)),
        cancel_(instance_) {
    FileOptions file;
    file.key = session_key(key_);
    file.cancel = cancel_;
    file.on_progress = bar_.follower();
    file_.emplace(instance_, options.file, std::move(file));
  }
  const Instance& instance() const { return instance_; }
  const std::optional<Secret>& key() const { return key_; }
  SessionFile* operator->() { return &*file_; }

 private:
  Instance instance_;
  std::optional<Secret> key_;
  CancelFlag cancel_;
  Interrupt interrupt_{&cancel_};
  ProgressBar bar_{"verify", "pages"};
  std::optional<SessionFile> file_;
};

void info(const Options& options) {
  print(options, info_json(Target(options)->info()));
}

void verify(const Options& options) {
  const SessionFile::Verdict verdict = Target(options)->verify();
  const leoam_session_verdict& counts = verdict.counts;
  Json json = {{"whole", counts.whole != 0},
               {"pages", counts.n_pages},
               {"bad_pages", counts.n_bad_pages},
               {"missing_pages", counts.n_missing_pages},
               {"recompute_tokens", counts.n_recompute_tokens}};
  if (counts.whole == 0 && counts.first_bad_token != UINT64_MAX)
    json["first_bad_token"] = counts.first_bad_token;
  json["findings"] = verdict.findings;
  print(options, json);
  if (counts.whole == 0)
    throw Failure(options.file + ": damaged; " + std::to_string(counts.n_recompute_tokens) +
                  " tokens are to be computed again when it is used");
}

void compact(const Options& options) {
  Target file(options);
  const uint64_t before_bytes = file->info().file_bytes;
  file->compact();
  print(options, {{"before_bytes", before_bytes}, {"file_bytes", file->info().file_bytes}});
}

void remove(const Options& options) {
  SessionFile(open_instance(options), options.file).remove();
  const bool had_salt = unlink(salt_file(options.file).c_str()) == 0;
  print(options, {{"deleted", options.file}, {"salt_deleted", had_salt}});
}

void export_tokens(const Options& options) {
  const std::vector<int32_t> tokens = Target(options)->tokens();
  if (options.json) return print_json({{"tokens", tokens}});
  for (const int32_t token : tokens) std::cout << token << '\n';
}

void import_tokens(const Options& options) {
  const std::vector<int32_t> tokens = read_tokens(options.tokens_file);
  if (access(options.file.c_str(), F_OK) == 0) throw Failure(options.file + ": it is there already");
  SavedOptions saved;
  static_cast<KeyOptions&>(saved) = options.key;
  saved.file = options.file;
  const Instance instance = open_instance(options);
  const Model model = open_model(instance, options);
  SavedSession session(instance, model, options, saved);
  CancelFlag cancel(instance);
  const Interrupt interrupt(&cancel);
  ProgressBar bar("compute", "tokens");
  EvaluateOptions evaluate;
  evaluate.cancel = cancel;
  evaluate.on_progress = bar.follower();
  session.session().evaluate(tokens, evaluate);
  bar.clear();
  session.save();
  print(options, info_json(*session.session().file_info()));
}

CLI::App* add_action(CLI::App& session, const std::string& name, const std::string& help,
                     const std::shared_ptr<Options>& options, void (*action)(const Options&),
                     std::function<void()>& run) {
  CLI::App* command = session.add_subcommand(name, help);
  command->callback([options, action, &run] { run = [options, action] { action(*options); }; });
  return command;
}

}  // namespace

void add_session(CLI::App& program, std::function<void()>& run) {
  auto options = std::make_shared<Options>();
  CLI::App* session = program.add_subcommand("session", "Look at a saved session, check it, move its tokens");
  session->require_subcommand(1);
  session->add_option("FILE", options->file, "Session file")->required();
  const auto add = [&](const std::string& name, const std::string& help, void (*action)(const Options&)) {
    CLI::App* command = add_action(*session, name, help, options, action, run);
    add_instance_options(*command, *options);
    add_key_options(*command, options->key);
  };
  add("info", "What the file holds", info);
  add("verify", "Read and check everything; exit status 1 when something is damaged", verify);
  add("compact", "Give free room in the file back", compact);
  add("delete", "Remove the file and the salt beside it", remove);
  add("export", "The token log: ids, one a line, or {\"tokens\": [...]}", export_tokens);
  CLI::App* import =
      add_action(*session, "import", "A new session of given tokens", options, import_tokens, run);
  add_model_options(*import, *options);
  add_key_options(*import, options->key);
  import->add_option("--tokens-file", options->tokens_file, "JSON: an array of ids, or what export wrote")
      ->required();
}

}  // namespace leoam::cli
