//go:build !unix

package external

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func interrupt(cmd *exec.Cmd) error { return cmd.Process.Signal(os.Interrupt) }

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// readNow reads nothing: a pipe cannot be asked here what it holds.
func readNow(*os.File, []byte) (int, error) { return 0, nil }

// tryLock locks nothing: there is no lock here that goes with its process.
func tryLock(*os.File) error { return nil }
