/*
 * What the static Swift runtime does before main and these programs have no use for, replaced.
 *
 * Both functions belong to the runtime's C interface (swift/Runtime/Paths.h, swift/stdlib/public/SwiftShims/RuntimeStubs.h).
 * They are weak: where the linker takes the runtime's own file nevertheless, that one wins without a word, and the
 * programs only start slower. Not in debug builds, which load the runtime as a shared library.
 */
#include <features.h>
#include <stddef.h>

#if !defined(DEBUG) && defined(__GLIBC__)

/*
 * The program that prints a backtrace of a crash, looked for in eight places beside the executable (10 system calls).
 * A program that is one file has none there; $SWIFT_BACKTRACE can still name one.
 */
__attribute__((weak)) const char *swift_copyAuxiliaryExecutablePath(const char *name)
{
    (void)name;
    return NULL;
}

/*
 * The words of the command line. The runtime finds them by reading /proc/self/maps and searching the stack (5 system
 * calls, 50,000 instructions); glibc gives them to every constructor.
 */
static int word_count;
static char **words;

__attribute__((constructor)) static void keep_words(int argc, char **argv)
{
    word_count = argc;
    words = argv;
}

__attribute__((weak)) char **_swift_stdlib_getUnsafeArgvArgc(int *count)
{
    *count = word_count;
    return words;
}

/* Belongs to the same file of the runtime; for interpreters. */
__attribute__((weak)) void _swift_stdlib_overrideUnsafeArgvArgc(char **argv, int argc)
{
    words = argv;
    word_count = argc;
}

#endif
