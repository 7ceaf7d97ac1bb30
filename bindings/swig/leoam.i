// leoam.i: the one description of the C interface for the languages that SWIG serves.
//
// The module is called Native. Structs of the C header become classes with getters and, for options, setters;
// the shim's functions become static ones of the module. Everything is internal to a binding, which is written
// by hand over it. What depends on the language is in the file that includes this one: how text (leoam_string),
// arrays (Tokens, TokenBuffer, Floats, FloatBuffer, TextBuffer, Key), handles and 64-bit numbers are passed, and
// how a callback of Listener that throws becomes LEOAM_STOP.

%{
#include <leoam/leoam.h>

#include "buffers.h"
#include "listener.h"
#include "shim.h"

using namespace leoam_shim;
%}

%feature("director") leoam_shim::Listener;

// Functions of the C header are called by the shim only.
%rename("$ignore", regextarget=1, %$isfunction, %$not %$ismember) "^leoam_";
%ignore leoam_api;
%ignore leoam_string;
%ignore leoam_chat;
%ignore leoam_chat_message;
%ignore leoam_chat_variable;
%ignore leoam_budget_options;

%rename(CError) leoam_error;
%rename(CBuildInfo) leoam_build_info;
%rename(CInstanceOptions) leoam_instance_options;
%rename(CInstanceStatistics) leoam_instance_statistics;
%rename(CLoadOptions) leoam_load_options;
%rename(CModelInfo) leoam_model_info;
%rename(CPlanOptions) leoam_plan_options;
%rename(CPlan) leoam_plan;
%rename(CTokenInfo) leoam_token_info;
%rename(CSessionOptions) leoam_session_options;
%rename(CSessionInfo) leoam_session_info;
%rename(CHeadAttention) leoam_head_attention;
%rename(CLayerTimes) leoam_layer_times;
%rename(CKvChoice) leoam_kv_choice;
%rename(CEvaluateOptions) leoam_evaluate_options;
%rename(CSamplerOptions) leoam_sampler_options;
%rename(CEvent) leoam_event;
%rename(CRequestOptions) leoam_request_options;
%rename(CRequestStatistics) leoam_request_statistics;
%rename(CSuspendOptions) leoam_suspend_options;
%rename(CSaveOptions) leoam_save_options;
%rename(CFileOptions) leoam_session_file_options;
%rename(CFileInfo) leoam_session_file_info;
%rename(CVerdict) leoam_session_verdict;
%rename(CFact) leoam_shim::Fact;

// What the shim fills in, and what means nothing outside of C.
%rename("$ignore", regextarget=1, fullname=1, %$isvariable, %$ismember)
  "::(struct_size|reserved|user_data|log_user_data|log|on_[a-z]+)$";
%ignore leoam_instance_options::cpu_level;
%ignore leoam_instance_options::state_folder;
%ignore leoam_session_options::policy;
%ignore leoam_save_options::path;
%ignore leoam_save_options::key;
%ignore leoam_save_options::key_size;
%ignore leoam_session_file_options::key;
%ignore leoam_session_file_options::key_size;
%ignore leoam_request_options::prompt;
%ignore leoam_request_options::n_prompt;
%ignore leoam_request_options::sampler;
%ignore leoam_request_options::stop;
%ignore leoam_request_options::n_stop;
// Views of the library's texts.
%immutable leoam_build_info::version;
%immutable leoam_build_info::compiler;
%immutable leoam_build_info::build;
%immutable leoam_build_info::file_path;
%immutable leoam_model_info::architecture;
%immutable leoam_model_info::name;
%immutable leoam_model_info::quantization;
%immutable leoam_model_info::tokenizer;
%immutable leoam_model_info::pre_tokenizer;
%immutable leoam_token_info::piece;
%immutable leoam_token_info::bytes;
%immutable leoam_session_info::policy;
%immutable leoam_event::text;
// Arrays inside structs are read by the functions that extend them.
%ignore leoam_error::message;
%ignore leoam_error::message_size;
%ignore leoam_session_file_info::model;
%ignore leoam_session_file_info::model_name;
%ignore leoam_session_file_info::model_name_size;
%ignore leoam_kv_choice::decode_seconds;
%ignore leoam_kv_choice::read_bytes;

// Structs are born as LEOAM_INIT leaves them.
%define %leoam_struct(STRUCT)
%extend STRUCT {
  STRUCT() { return new STRUCT(leoam_shim::make<STRUCT>()); }
}
%enddef
%leoam_struct(leoam_error)
%leoam_struct(leoam_build_info)
%leoam_struct(leoam_instance_options)
%leoam_struct(leoam_instance_statistics)
%leoam_struct(leoam_load_options)
%leoam_struct(leoam_model_info)
%leoam_struct(leoam_plan_options)
%leoam_struct(leoam_plan)
%leoam_struct(leoam_token_info)
%leoam_struct(leoam_session_options)
%leoam_struct(leoam_session_info)
%leoam_struct(leoam_head_attention)
%leoam_struct(leoam_layer_times)
%leoam_struct(leoam_kv_choice)
%leoam_struct(leoam_evaluate_options)
%leoam_struct(leoam_sampler_options)
%leoam_struct(leoam_event)
%leoam_struct(leoam_request_options)
%leoam_struct(leoam_request_statistics)
%leoam_struct(leoam_suspend_options)
%leoam_struct(leoam_save_options)
%leoam_struct(leoam_session_file_options)
%leoam_struct(leoam_session_file_info)
%leoam_struct(leoam_session_verdict)

%extend leoam_error {
  leoam_string text() const { return {$self->message, $self->message_size}; }
}
%extend leoam_session_file_info {
  leoam_string model_hash() const { return {reinterpret_cast<const char*>($self->model), sizeof $self->model}; }
  leoam_string name() const { return {$self->model_name, $self->model_name_size}; }
}
// 0 outside of [0, 4).
%extend leoam_kv_choice {
  double decode_seconds_of(int32_t index) const {
    return index >= 0 && index < 4 ? $self->decode_seconds[index] : 0;
  }
  uint64_t read_bytes_of(int32_t index) const {
    return index >= 0 && index < 4 ? $self->read_bytes[index] : 0;
  }
}

// Flags, before SWIG sees their macros, whose casts it cannot evaluate.
%define %leoam_flag(FLAG)
%constant uint64_t FLAG = FLAG;
%enddef
%leoam_flag(LEOAM_INSTANCE_PLAINTEXT_SCRATCH)
%leoam_flag(LEOAM_INSTANCE_NO_IO_URING)
%leoam_flag(LEOAM_INSTANCE_NO_DIRECT_IO)
%leoam_flag(LEOAM_LOAD_HEADER_ONLY)
%leoam_flag(LEOAM_MODEL_HAS_TOKENIZER)
%leoam_flag(LEOAM_MODEL_HAS_CHAT_TEMPLATE)
%leoam_flag(LEOAM_MODEL_ADDS_BOS)
%leoam_flag(LEOAM_MODEL_HEADER_ONLY)
%leoam_flag(LEOAM_PLAN_SPEED)
%leoam_flag(LEOAM_PLAN_SAVED)
%leoam_flag(LEOAM_TOKEN_ENDS_GENERATION)
%leoam_flag(LEOAM_TOKENIZE_SPECIAL)
%leoam_flag(LEOAM_TOKENIZE_BOS)
%leoam_flag(LEOAM_DETOKENIZE_SPECIAL)
%leoam_flag(LEOAM_DETOKENIZE_CONTINUE)
%leoam_flag(LEOAM_CHAT_NO_GENERATION_PROMPT)
%leoam_flag(LEOAM_REQUEST_IGNORE_END)
%leoam_flag(LEOAM_REQUEST_SHOW_SPECIAL)
%leoam_flag(LEOAM_REQUEST_PREFILL_ONLY)
%leoam_flag(LEOAM_SESSION_HAS_FILE)
%leoam_flag(LEOAM_EVALUATE_ALL_LOGITS)
%leoam_flag(LEOAM_EVALUATE_AUDIT)
%leoam_flag(LEOAM_SAVE_PLAINTEXT)
%leoam_flag(LEOAM_SESSION_FILE_ENCRYPTED)
%leoam_flag(LEOAM_SESSION_FILE_INDEX_LOST)

%include "leoam/types.h"
%include "leoam/leoam.h"
%include "leoam/request.h"
%include "leoam/session.h"
%include "leoam/store.h"

// Arrays are passed by typemaps and are no classes.
%ignore leoam_shim::Tokens;
%ignore leoam_shim::TokenBuffer;
%ignore leoam_shim::Floats;
%ignore leoam_shim::FloatBuffer;
%ignore leoam_shim::TextBuffer;
%ignore leoam_shim::Key;
%ignore leoam_shim::make;
%ignore leoam_shim::Structs::data;
%ignore leoam_shim::Logits::Logits;
%ignore leoam_shim::KeyRoom::KeyRoom;
%immutable leoam_shim::Fact::key;
%immutable leoam_shim::Fact::value;
%include "buffers.h"
%template(CHeadAttentions) leoam_shim::Structs<leoam_head_attention>;
%template(CLayers) leoam_shim::Structs<leoam_layer_times>;

%ignore leoam_shim::Listener::wants;
%ignore leoam_shim::Listener::enter;
%ignore leoam_shim::Listener::leave;
%ignore leoam_shim::progress_of;
%ignore leoam_shim::events_of;
%ignore leoam_shim::sampling_of;
%ignore leoam_shim::logits_of;
%ignore leoam_shim::key_of;
%ignore leoam_shim::findings_of;
%ignore leoam_shim::log_of;
%include "listener.h"
%include "shim.h"
