// Package cli is the mkube command. It turns flags into options and options into calls, and prints
// the results. It is the only package that uses the terminal.
//
// Results go to standard output, and all other messages to standard error.
package cli

import (
	"context"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/stages"
	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/docker"
	"github.com/mkube/mkube/pkg/state"
	"github.com/mkube/mkube/pkg/transfer"
)

// Main runs mkube with its arguments, without the program's name, and returns the exit code. If
// ctx ends, the command is interrupted: it deletes what it was creating before Main returns.
func Main(ctx context.Context, args []string, in io.Reader, out, err io.Writer) Code {
	return newApp(in, out, err).main(ctx, args)
}

func (a app) main(ctx context.Context, args []string) Code {
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean the arguments of the process
	cmd, err := root.ExecuteContextC(ctx)
	code := finish(ctx, a.err, err)
	if code == Failed && cmd.Name() != "exec" { // exec returns the exit code of any program
		a.explainExpiry(ctx, cmd)
	}
	return code
}

// app is the program with everything outside this package that its commands use. A test replaces
// parts of it.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	// home is the user's home folder, or "" if it is not known.
	home     string
	lookPath func(string) (string, error)
	now      func() time.Time

	// provider, containers and engine connect when a command needs them: to all providers as one,
	// to Docker's provider, and to Docker's image store.
	provider   func() (provider.Provider, error)
	containers func() (provider.Provider, error)
	engine     func() (engine, error)
	create     func(context.Context, provider.Provider, config.Cluster, bootstrap.Options) (*cluster.Cluster, error)
	open       func(context.Context, provider.Provider, string) (*cluster.Cluster, error)
	build      func(context.Context, nodeimage.Options, progress.Func) (nodeimage.Result, error)
}

// engine is a container engine, used as an image store.
type engine interface {
	transfer.Images
	nodeimage.Daemon
}

func newApp(in io.Reader, out, err io.Writer) app {
	// Without a home folder, home is "", which the users of app.home handle.
	home, _ := os.UserHomeDir()
	a := app{
		in: in, out: out, err: err,
		getenv: os.Getenv, home: home, lookPath: exec.LookPath, now: time.Now,
		containers: dockerProvider, engine: dockerEngine,
		create: stages.Create, open: state.Open, build: nodeimage.Build,
	}
	a.provider = a.everyProvider
	return a
}

func dockerProvider() (provider.Provider, error) {
	c, err := docker.Dial()
	if err != nil {
		return nil, err
	}
	return docker.New(c), nil
}

func dockerEngine() (engine, error) {
	c, err := docker.Dial()
	if err != nil {
		return nil, err
	}
	return docker.NewImages(c), nil
}
