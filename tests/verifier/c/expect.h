// SPDX-License-Identifier: MIT OR Apache-2.0
// What a program says of its own verification, as `skep check --selftest` reads it (docs/selftest.md).
#ifndef SKEP_EXPECT_H
#define SKEP_EXPECT_H

#define SKEP_TAG(text) __attribute__((btf_decl_tag("comment:" text)))
#define SKEP_TEXT2(x) #x
#define SKEP_TEXT(x) SKEP_TEXT2(x)

// The verifier accepts it.
#define ACCEPTED SKEP_TAG("test_expect_success")
// The verifier refuses it and says so.
#define REFUSED(message)                                                       \
    SKEP_TAG("test_expect_failure") SKEP_TAG("test_expect_msg=" SKEP_TEXT(__COUNTER__) "=" message)
// A test run returns this.
#define RETURNS(value) SKEP_TAG("test_retval=" SKEP_TEXT(value))

#endif
