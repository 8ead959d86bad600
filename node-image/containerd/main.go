// Command containerd contains containerd and ctr in one multi-call binary. The name by which the
// binary is called selects the program. Two binaries would be larger by a quarter, because most code
// of ctr is also in containerd. The shim remains a separate program, because every pod has one in
// memory. The programs are not changed: each is started through the function that its own main
// package calls.
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
