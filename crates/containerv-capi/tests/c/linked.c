/* Without any library but ours: linked as programs of Microsoft's compiler are, and run on Windows. */
#include <chef/containerv.h>

int start(void)
{
    struct containerv_options* options = containerv_options_new();

    containerv_options_delete(options);
    return containerv_destroy(NULL) == -1 && containerv_id(NULL) == NULL ? 42 : 1;
}
