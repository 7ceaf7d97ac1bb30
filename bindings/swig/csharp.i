// csharp.i: leoam.i for C#. Everything that is generated is internal, in the namespace LeoAM.Interop.
//
// Text and keys are byte[], tokens int[], logits float[], 64-bit numbers ulong and long, handles IntPtr: SafeHandles
// are made of them by hand. A null array is NULL of length 0. Arrays are pinned during a call and cross as a Slice, by
// pointer and length: no char* and no string does, whose conversion would depend on the system and could end the
// process inside a callback.
%module(directors="1") Native

%pragma(csharp) moduleclassmodifiers="internal unsafe class"
%pragma(csharp) imclassclassmodifiers="internal class"
%typemap(csclassmodifiers) SWIGTYPE "internal unsafe class"
%typemap(csclassmodifiers) SWIGTYPE *, SWIGTYPE & "internal class"
%typemap(csclassmodifiers) enum SWIGTYPE "internal enum"

// A C++ exception is bad_alloc from `new`; one that got out would end the process.
%exception %{
  try {
    $action
  } catch (...) {
    SWIG_CSharpSetPendingException(SWIG_CSharpOutOfMemoryException, "out of native memory");
    return $null;
  }
%}

%rename("%(camelcase)s", %$isfunction) "";
%rename("%(camelcase)s", %$isvariable) "";

%include <stdint.i>

// Handles.
%define %leoam_handle(HANDLE)
%typemap(ctype) HANDLE* "void*"
%typemap(imtype) HANDLE* "global::System.IntPtr"
%typemap(cstype) HANDLE* "global::System.IntPtr"
%typemap(in) HANDLE* %{ $1 = static_cast<HANDLE*>($input); %}
%typemap(out) HANDLE* %{ $result = $1; %}
%typemap(csin) HANDLE* "$csinput"
%typemap(csout, excode=SWIGEXCODE) HANDLE* {
    global::System.IntPtr made = $imcall;$excode
    return made;
  }
%typemap(csvarin, excode=SWIGEXCODE2) HANDLE* %{
    set {
      $imcall;$excode
    } %}
%typemap(csvarout, excode=SWIGEXCODE2) HANDLE* %{
    get {
      global::System.IntPtr value = $imcall;$excode
      return value;
    } %}
%enddef
%leoam_handle(leoam_instance)
%leoam_handle(leoam_cancel_flag)
%leoam_handle(leoam_model)
%leoam_handle(leoam_session)
%leoam_handle(leoam_request)

// Arrays.
%define %leoam_array(TYPE, ELEMENT)
%typemap(ctype) TYPE "TYPE"
%typemap(imtype) TYPE "global::LeoAM.Interop.Slice"
%typemap(cstype) TYPE "ELEMENT[]"
%typemap(in) TYPE %{ $1 = $input; %}
%typemap(csin, pre="    fixed (ELEMENT* elementsOf_$csinput = $csinput) {", terminator="    }") TYPE
  "new global::LeoAM.Interop.Slice(elementsOf_$csinput, $csinput)"
%enddef
%leoam_array(leoam_string, byte)
%leoam_array(leoam_shim::Tokens, int)
%leoam_array(leoam_shim::TokenBuffer, int)
%leoam_array(leoam_shim::Floats, float)
%leoam_array(leoam_shim::FloatBuffer, float)
%leoam_array(leoam_shim::TextBuffer, byte)
%leoam_array(leoam_shim::Key, byte)

// Text that comes back, from functions, out of structs and into callbacks.
%typemap(out, null="leoam_string{}") leoam_string %{ $result = $1; %}
%typemap(csout, excode=SWIGEXCODE) leoam_string {
    global::LeoAM.Interop.Slice text = $imcall;$excode
    return text.ToBytes();
  }
%typemap(ctype) leoam_string* "leoam_string"
%typemap(imtype) leoam_string* "global::LeoAM.Interop.Slice"
%typemap(cstype) leoam_string* "byte[]"
%typemap(out, null="leoam_string{}") leoam_string* %{ $result = *$1; %}
%typemap(csvarout, excode=SWIGEXCODE2) leoam_string* %{
    get {
      global::LeoAM.Interop.Slice text = $imcall;$excode
      return text.ToBytes();
    } %}
%typemap(directorin) leoam_string %{ $input = $1; %}
%typemap(csdirectorin) leoam_string "$iminput.ToBytes()"

// What the assembly was made for, known before anything is loaded.
%csconst(1) LEOAM_VERSION_MAJOR;
%csconst(1) LEOAM_VERSION_MINOR;
%csconst(1) LEOAM_VERSION_PATCH;

%include "leoam.i"
