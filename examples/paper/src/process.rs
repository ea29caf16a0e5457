//! A process that ends at once, as in the paper: fork, exit, wait.

/// Creates a process and waits for its end.
pub(crate) fn fork_and_wait() -> Result<(), String> {
    // SAFETY: the child makes one system call, which any child of any process may make.
    let child = unsafe { libc::fork() };
    match child {
        0 => {
            // SAFETY: ends the child without running any code of the parent.
            unsafe { libc::_exit(0) }
        }
        -1 => Err(format!("cannot fork: {}", std::io::Error::last_os_error())),
        _ => wait(child),
    }
}

fn wait(child: libc::pid_t) -> Result<(), String> {
    let mut status = -1;
    // SAFETY: the child was created above, and the status is a local variable.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    match waited == child && status == 0 {
        true => Ok(()),
        false => Err(format!(
            "a child that was to exit with 0 ended with {status}"
        )),
    }
}
