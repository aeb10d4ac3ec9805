//! Safe wrappers of the system calls and DLL functions that containerv needs.
