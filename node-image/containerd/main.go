// Command containerd is containerd and ctr in one multi-call binary: the name it is
// called by says which one it is. Most of ctr is in containerd as well; apart, the
// two would be larger by a quarter. The shim, of which every pod has one in memory,
// stays a program of its own. No program is changed: each is entered through the same
// function that its own main package calls.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
)

func main() {
	name, app := "containerd", command.App
	if filepath.Base(os.Args[0]) == "ctr" {
		name, app = "ctr", ctr.New
	}
	if err := app().Run(context.Background(), os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
