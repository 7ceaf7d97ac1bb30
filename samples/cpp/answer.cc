// The smallest program in C++: a model answers one question. usage: answer MODEL.gguf QUESTION
#include <iostream>
#include <leoam/leoam.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: answer MODEL.gguf QUESTION\n";
    return 2;
  }
  leoam::Instance instance;
  leoam::Model model(instance, argv[1]);
  leoam::Session session(model);
  const std::vector<leoam::ChatMessage> chat = {{"user", argv[2]}};
  const std::vector<int32_t> prompt = model.tokenize_chat(chat);
  leoam::Request request = session.submit({.prompt = prompt});
  for (const leoam::Event& event : request) std::cout << event.text << std::flush;
  std::cout << '\n';
  return 0;
} catch (const leoam::Error& error) {
  std::cerr << error.name() << ": " << error.what() << '\n';
  return 1;
}
