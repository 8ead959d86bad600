package fake

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// killGroup makes a command the leader of a process group. When the command is canceled, the whole
// group is killed.
func killGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}

// onTerminal runs a command on its own terminal, see pty(7).
func onTerminal(c *exec.Cmd, in io.Reader, out io.Writer) error {
	master, slave, err := OpenTerminal()
	if err != nil {
		return err
	}
	defer master.Close()
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // a session leader also leads its process group
	err = c.Start()
	slave.Close()
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(master, in) }() // the input of a terminal has no end
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(out, master) // a terminal ends with EIO
		close(read)
	}()
	err = c.Wait()
	<-read
	return err
}

// OpenTerminal returns both ends of a new terminal. Programs use slave, and master reads what they
// write. The caller closes both.
func OpenTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
	}
	return master, slave, err
}
