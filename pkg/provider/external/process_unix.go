//go:build unix

package external

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup runs a program as the leader of its own process group.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// interrupt does what Ctrl-C in a terminal does: it interrupts a program and the programs that it
// runs.
func interrupt(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGINT) }

// kill kills a program and the programs that it runs. The only error is that all of them have
// ended.
func kill(cmd *exec.Cmd) { _ = signal(cmd, syscall.SIGKILL) }

func signal(cmd *exec.Cmd, s syscall.Signal) error {
	if err := syscall.Kill(-cmd.Process.Pid, s); err != nil {
		return os.ErrProcessDone
	}
	return nil
}

// readNow reads what is in a pipe. It returns 0 if a read would have to wait.
func readNow(f *os.File, p []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	readErr := raw.Read(func(fd uintptr) bool {
		for {
			n, err = syscall.Read(int(fd), p)
			if !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	})
	if readErr == nil && (err == nil || errors.Is(err, syscall.EAGAIN)) {
		return max(n, 0), nil
	}
	return 0, errors.Join(readErr, err)
}

// tryLock locks a file without waiting. It returns an error if the file is locked by another open
// file.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
