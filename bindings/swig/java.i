// java.i: leoam.i for Java. Everything that is generated is private to the package io.leoam.
//
// Text and keys are byte[], tokens int[], logits float[], handles and 64-bit numbers long: UINT64_MAX is -1. A
// null array is NULL of length 0. No String crosses: the JVM's own UTF-8 is another one.
%module(directors="1") Native

%include "enumsimple.swg"

%pragma(java) moduleclassmodifiers="final class"
%pragma(java) jniclassclassmodifiers="final class"
%typemap(javaclassmodifiers) SWIGTYPE "class"

// A C++ exception is bad_alloc from `new`; one that got out would end the JVM.
%exception %{
  try {
    $action
  } catch (const std::bad_alloc&) {
    SWIG_JavaThrowException(jenv, SWIG_JavaOutOfMemoryError, "out of native memory");
    return $null;
  } catch (...) {
    SWIG_JavaThrowException(jenv, SWIG_JavaRuntimeException, "a C++ exception");
    return $null;
  }
%}

// Classes are closed by whoever made them; what is forgotten leaks some bytes and is never freed twice.
%typemap(javainterfaces) SWIGTYPE "AutoCloseable"
%typemap(javafinalize) SWIGTYPE ""
%typemap(javacode) SWIGTYPE %{
  @Override
  public void close() {
    delete();
  }
%}
%typemap(javainterfaces) leoam_shim::Listener ""

%rename("%(lowercamelcase)s", %$isfunction) "";
%rename("%(lowercamelcase)s", %$isvariable) "";

%include <stdint.i>
%apply long long { uint64_t, const uint64_t & };
%typemap(in) uint64_t %{ $1 = static_cast<uint64_t>($input); %}
%typemap(out) uint64_t %{ $result = static_cast<jlong>($1); %}

// Handles.
%define %leoam_handle(HANDLE)
%typemap(jni) HANDLE* "jlong"
%typemap(jtype) HANDLE* "long"
%typemap(jstype) HANDLE* "long"
%typemap(in) HANDLE* %{ $1 = reinterpret_cast<HANDLE*>(static_cast<uintptr_t>($input)); %}
%typemap(out) HANDLE* %{ $result = static_cast<jlong>(reinterpret_cast<uintptr_t>($1)); %}
%typemap(javain) HANDLE* "$javainput"
%typemap(javaout) HANDLE* { return $jnicall; }
%enddef
%leoam_handle(leoam_instance)
%leoam_handle(leoam_cancel_flag)
%leoam_handle(leoam_model)
%leoam_handle(leoam_session)
%leoam_handle(leoam_request)

// Arrays. What is only read is given back without a copy; a key is copied once, and the copy wiped.
%define %leoam_array(TYPE, ELEMENT, ARRAY, CTYPE, JAVA, KIND, RELEASE)
%typemap(jni) TYPE "ARRAY"
%typemap(jtype) TYPE "JAVA"
%typemap(jstype) TYPE "JAVA"
%typemap(in) TYPE (ELEMENT* elements) {
  elements = nullptr;
  $1.data = nullptr;
  $1.size = 0;
  if ($input) {
    elements = jenv->Get##KIND##ArrayElements($input, nullptr);
    if (!elements) return $null;
    $1.data = reinterpret_cast<CTYPE*>(elements);
    $1.size = static_cast<uint64_t>(jenv->GetArrayLength($input));
  }
}
%typemap(freearg) TYPE %{
  if (elements$argnum) jenv->Release##KIND##ArrayElements($input, elements$argnum, RELEASE);
%}
%typemap(javain) TYPE "$javainput"
%enddef
%leoam_array(leoam_string, jbyte, jbyteArray, const char, byte[], Byte, JNI_ABORT)
%leoam_array(leoam_shim::Tokens, jint, jintArray, const int32_t, int[], Int, JNI_ABORT)
%leoam_array(leoam_shim::TokenBuffer, jint, jintArray, int32_t, int[], Int, 0)
%leoam_array(leoam_shim::Floats, jfloat, jfloatArray, const float, float[], Float, JNI_ABORT)
%leoam_array(leoam_shim::FloatBuffer, jfloat, jfloatArray, float, float[], Float, 0)
%leoam_array(leoam_shim::TextBuffer, jbyte, jbyteArray, char, byte[], Byte, 0)

%typemap(jni) leoam_shim::Key "jbyteArray"
%typemap(jtype) leoam_shim::Key "byte[]"
%typemap(jstype) leoam_shim::Key "byte[]"
%typemap(in) leoam_shim::Key (KeyCopy copy) %{ $1 = copy.take(jenv, $input); %}
%typemap(javain) leoam_shim::Key "$javainput"

// Text that comes back, from functions and out of structs.
%typemap(out) leoam_string %{ $result = to_java(jenv, $1); %}
%typemap(javaout) leoam_string { return $jnicall; }
%typemap(jni) leoam_string* "jbyteArray"
%typemap(jtype) leoam_string* "byte[]"
%typemap(jstype) leoam_string* "byte[]"
%typemap(out) leoam_string* %{ $result = to_java(jenv, *$1); %}
%typemap(javaout) leoam_string* { return $jnicall; }

// Directors. A native thread that stays attached frees no local reference by itself. The descriptor is that of
// the method that Java overrides: with another one the override is never called, without a word. Where the JVM has
// no memory for a text, the override gets null and fails.
%typemap(directorin, descriptor="[B", noblock=1) leoam_string {
  $input = to_java(jenv, $1);
  if (!$input) jenv->ExceptionClear();
  Swig::LocalRefGuard $1_guard(jenv, $input);
}
%typemap(javadirectorin) leoam_string "$jniinput"
%typemap(directorin, descriptor="J") uint64_t %{ $input = static_cast<jlong>($1); %}

// What a callback throws stops the work and is kept in its listener; nothing of it gets into C++.
%define %leoam_callback(METHOD, STOP)
%feature("director:except") leoam_shim::Listener::METHOD {
  jthrowable $error = jenv->ExceptionOccurred();
  if ($error) {
    jenv->ExceptionClear();
    Swig::LocalRefGuard error_guard(jenv, $error);
    jclass listener_class = jenv->GetObjectClass(swigjobj);
    Swig::LocalRefGuard class_guard(jenv, listener_class);
    const jmethodID keep = jenv->GetMethodID(listener_class, "keep", "(Ljava/lang/Throwable;)V");
    if (keep) jenv->CallVoidMethod(swigjobj, keep, $error);
    if (jenv->ExceptionCheck()) jenv->ExceptionClear();
    jenv->DeleteLocalRef(swigjobj);
    STOP;
  }
}
%enddef
%leoam_callback(on_progress, return LEOAM_STOP)
%leoam_callback(on_event, return LEOAM_STOP)
%leoam_callback(on_sampling, return LEOAM_STOP)
%leoam_callback(on_logits, return LEOAM_STOP)
%leoam_callback(on_key, return LEOAM_STOP)
%leoam_callback(on_finding, return LEOAM_STOP)
%leoam_callback(on_log, return)

// A listener is pinned by its C++ half, which retire() ends.
%typemap(javacode) leoam_shim::Listener %{
  private volatile Throwable thrown;

  /** Called by the wrapper with what a callback has thrown. */
  final void keep(Throwable throwable) {
    if (thrown == null) {
      thrown = throwable;
    }
  }

  /** The first exception of a callback, or null. */
  final Throwable thrown() {
    return thrown;
  }
%}

// What the classes were made for, known before anything is loaded.
%javaconst(1) LEOAM_VERSION_MAJOR;
%javaconst(1) LEOAM_VERSION_MINOR;
%javaconst(1) LEOAM_VERSION_PATCH;

%include "leoam.i"

%{
#include <string.h>

namespace {

// The bytes of a key during a call; of one that is too long, enough of them to be refused.
class KeyCopy {
 public:
  ~KeyCopy() { explicit_bzero(bytes_, sizeof bytes_); }
  leoam_shim::Key take(JNIEnv* jenv, jbyteArray key) {
    if (!key) return {nullptr, 0};
    const jsize size = jenv->GetArrayLength(key);
    const jsize copied = size < static_cast<jsize>(sizeof bytes_) ? size : static_cast<jsize>(sizeof bytes_);
    jenv->GetByteArrayRegion(key, 0, copied, bytes_);
    return {reinterpret_cast<const uint8_t*>(bytes_), static_cast<uint64_t>(copied)};
  }

 private:
  jbyte bytes_[LEOAM_KEY_BYTES + 1] = {};
};

jbyteArray to_java(JNIEnv* jenv, const leoam_string& text) {
  const auto size = static_cast<jsize>(text.size);
  jbyteArray bytes = jenv->NewByteArray(size);
  if (bytes && size > 0) {
    jenv->SetByteArrayRegion(bytes, 0, size, reinterpret_cast<const jbyte*>(text.data));
  }
  return bytes;
}

}  // namespace
%}
