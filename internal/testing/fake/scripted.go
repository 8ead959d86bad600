package fake

import (
	"context"
	"io"
	"net/netip"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Scripted is a node without a provider. A function runs its commands. Methods that it does not
// implement panic.
type Scripted struct {
	provider.Node
	NodeName string
	NodeRole config.Role
	RunFunc  func(context.Context, provider.Cmd) error
}

// Name returns NodeName.
func (n Scripted) Name() string { return n.NodeName }

// Role returns NodeRole.
func (n Scripted) Role() config.Role { return n.NodeRole }

// IP returns the first address of the default network.
func (n Scripted) IP() netip.Addr { return netip.MustParseAddr("10.89.0.2") }

// Run calls RunFunc.
func (n Scripted) Run(ctx context.Context, cmd provider.Cmd) error { return n.RunFunc(ctx, cmd) }

// Logs writes "console".
func (n Scripted) Logs(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "console")
	return err
}

// Prints returns a RunFunc that prints a text.
func Prints(text string) func(context.Context, provider.Cmd) error {
	return func(_ context.Context, cmd provider.Cmd) error {
		_, err := io.WriteString(cmd.Stdout, text)
		return err
	}
}

// Fails returns a RunFunc that returns an error.
func Fails(err error) func(context.Context, provider.Cmd) error {
	return func(context.Context, provider.Cmd) error { return err }
}
