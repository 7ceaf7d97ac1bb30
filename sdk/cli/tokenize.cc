#include <iostream>

#include "common.h"

namespace leoam::cli {

void add_tokenize(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions {
    bool special = false;
    bool bos = false;
    std::string text_file;
    std::string dash;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("tokenize", "Text as token ids");
  add_model_options(*command, *options);
  command->add_flag("--special", options->special,
                    "Control tokens spelt out in the text become those tokens");
  command->add_flag("--bos", options->bos,
                    "Begin with the beginning-of-sequence token where the file asks for it");
  auto* file = command->add_option("--text-file", options->text_file, "Text to tokenise");
  command->add_option("STDIN", options->dash, "-: text from standard input")
      ->check(CLI::IsMember({"-"}))
      ->excludes(file);
  command->callback([options, &run] {
    if (options->text_file.empty() && options->dash.empty())
      throw CLI::RequiredError("--text-file FILE or -");
    run = [options] {
      const std::string text = read_text(options->text_file.empty() ? "-" : options->text_file);
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      TokenizeOptions how;
      how.special = options->special;
      how.bos = options->bos;
      const std::vector<int32_t> tokens = model.tokenize(text, how);
      Json pieces = Json::array();
      for (const int32_t token : tokens) {
        const leoam_string piece = model.token(token).piece;
        pieces.push_back(std::string(piece.data, piece.size));
      }
      if (options->json) return print_json({{"tokens", tokens}, {"pieces", pieces}});
      for (size_t i = 0; i < tokens.size(); ++i)
        std::cout << tokens[i] << '\t' << pieces[i].get<std::string>() << '\n';
    };
  });
}

}  // namespace leoam::cli
