/*
 * What the sanitizers are told, linked into the nginx that scripts/test --full builds. Options in the environment would not
 * reach every process: nginx clears it when it upgrades its binary.
 */

#include <stddef.h>

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_suppressions(void);
void __lsan_ignore_object(const void *);
void *__real_ngx_create_pool(size_t, void *);
void *__wrap_ngx_create_pool(size_t, void *);

/*
 * A report is a file in a folder that the script looks into at the end, so that none goes unseen, whatever became of the
 * process and its log. The test fails as well: nginx logs how its worker ended.
 */
const char *__asan_default_options(void)
{
    return "abort_on_error=1:detect_leaks=1:print_suppressions=0:detect_stack_use_after_return=1:log_path=" REPORTS;
}

/* These go to stderr, which is nginx's error log; the harness knows their words. */
const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1:abort_on_error=1";
}

/* What is held until the process ends. Nothing here may match frames of the module's own code. */
const char *__lsan_default_suppressions(void)
{
    return
        /* The context that regular expressions are compiled with. */
        "leak:^ngx_regex_malloc$\n"
        /* The arrays of connections and events, once the cycle that points to them has been freed. */
        "leak:^ngx_event_process_init$\n"
        /* The payload of a panic, which callback::contain leaves behind: its destructor could panic in turn. */
        "leak:__rust_start_panic\n";
}

/*
 * main() makes a pool, and a second one for what it reads of the configuration. A start that fails leaves the first behind and
 * "nginx -t" the second, in each case with nothing that points to it. What only they point to counts as in use.
 */
void *__wrap_ngx_create_pool(size_t size, void *log)
{
    static int made;
    void *pool = __real_ngx_create_pool(size, log);

    if (made < 2) {
        made++;
        __lsan_ignore_object(pool);
    }
    return pool;
}
