"""Vector kernels: systems written as LLVM IR, compiled by llvmlite while the program runs."""
