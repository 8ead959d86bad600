//go:build !linux

package fake

import (
	"errors"
	"io"
	"os/exec"
)

func killGroup(*exec.Cmd) {}

func onTerminal(*exec.Cmd, io.Reader, io.Writer) error {
	return errors.New("a fake node has terminals on Linux only")
}
