/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a program expects of its own verification, for `skep check --selftest`. Each macro goes before the function. */
#ifndef SKEP_EXPECT_H
#define SKEP_EXPECT_H

#define EXPECT_TAG(text) __attribute__((btf_decl_tag("comment:" text)))
#define EXPECT_STRING_(x) #x
#define EXPECT_STRING(x) EXPECT_STRING_(x)
/* The compiler keeps only one of equal tags: a number makes them differ. */
#define EXPECT_NUMBERED(key, text) EXPECT_TAG(key "=" EXPECT_STRING(__COUNTER__) "=" text)

/* The verdict. */
#define EXPECT_ACCEPTED EXPECT_TAG("test_expect_success")
#define EXPECT_REFUSED EXPECT_TAG("test_expect_failure")
#define EXPECT_REFUSED_UNPRIVILEGED EXPECT_TAG("test_expect_failure_unpriv")

/* What the verifier's log must hold, in this order, and what it must not hold. */
#define EXPECT_MESSAGE(text) EXPECT_NUMBERED("test_expect_msg", text)
#define EXPECT_MESSAGE_UNPRIVILEGED(text) EXPECT_NUMBERED("test_expect_msg_unpriv", text)
#define EXPECT_NO_MESSAGE(text) EXPECT_NUMBERED("test_expect_not_msg", text)
#define EXPECT_LOG_LEVEL(level) EXPECT_TAG("test_log_level=" EXPECT_STRING(level))

/* What it returns for a packet of 64 zeroes. */
#define EXPECT_RETURN(number) EXPECT_TAG("test_retval=" EXPECT_STRING(number))

/* How it is loaded. */
#define EXPECT_FLAG(flag) EXPECT_TAG("test_prog_flags=" #flag)
#define EXPECT_DESCRIPTION(text) EXPECT_TAG("test_description=" text)
#define EXPECT_AUXILIARY EXPECT_TAG("test_auxiliary")

#endif
