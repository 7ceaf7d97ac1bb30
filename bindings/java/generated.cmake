# cmake -DCONSTANTS=... -DWRAPPER=... -P generated.cmake: what SWIG has no option for.

function(replace file old new)
  file(READ ${file} text)
  string(FIND "${text}" "${old}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${file} has no \"${old}\": another version of SWIG?")
  endif()
  string(REPLACE "${old}" "${new}" text "${text}")
  file(WRITE ${file} "${text}")
endfunction()

# Nothing that is generated is public.
replace(${CONSTANTS} "public interface" "interface")
# A director that ends on a thread of the library tells its Java half and goes on without a look at exceptions, for
# which -Xcheck:jni warns.
replace(${WRAPPER} "jenv->CallVoidMethod(jobj, disconn_meth)"
  "jenv->CallVoidMethod(jobj, disconn_meth), (void)(jenv->ExceptionCheck() && (jenv->ExceptionClear(), true))")
