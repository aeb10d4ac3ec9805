/*
 * The one function of `bcryptprimitives.dll` that Rust's and Go's standard libraries call, over
 * what Wine has. It is in C because a Rust library would import the very DLL that it is.
 */
#include <stddef.h>
#include <windows.h>

/* RtlGenRandom, under the name by which advapi32 exports it. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

#define MOST_AT_ONCE 0x10000000u

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length < MOST_AT_ONCE ? (ULONG)length : MOST_AT_ONCE;
        if (!SystemFunction036(data, part)) {
            return FALSE;
        }
        data += part;
        length -= part;
    }
    return TRUE;
}
