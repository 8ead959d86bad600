//go:build !linux

package fake

import (
	"errors"
	"io"
	"os"
	"os/exec"
)

func killGroup(*exec.Cmd) {}

var errNoTerminal = errors.New("there are fake terminals on Linux only")

func onTerminal(*exec.Cmd, io.Reader, io.Writer) error { return errNoTerminal }

// OpenTerminal returns an error.
func OpenTerminal() (master, slave *os.File, err error) { return nil, nil, errNoTerminal }
