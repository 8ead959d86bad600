package state

import (
	"context"
	"errors"
	"strings"

	"github.com/mkube/mkube/pkg/provider"
)

// noteDir is where a cluster keeps what commands want to know of it the next time: how
// far a tour is, what was broken.
const noteDir = stateDir + "/notes/"

// Note is what SetNote wrote last on a cluster under a name, "" for nothing. No cluster
// is a *NotFoundError.
func Note(ctx context.Context, p provider.Provider, cluster, name string) (string, error) {
	nodes, err := Nodes(ctx, p, cluster)
	if err != nil {
		return "", err
	}
	n, err := ControlPlane(ctx, nodes)
	if err != nil {
		return "", err
	}
	out, err := provider.Output(ctx, n, "sh", "-c", `[ ! -e "$1" ] || cat "$1"`, "sh", noteDir+name)
	return strings.TrimSpace(string(out)), err
}

// SetNote writes something down on a cluster. Where there is no cluster, it is nowhere.
func SetNote(ctx context.Context, p provider.Provider, cluster, name, note string) error {
	nodes, err := Nodes(ctx, p, cluster)
	if missing := (*NotFoundError)(nil); errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := ControlPlane(ctx, nodes)
	if err != nil {
		return err
	}
	return provider.WriteFiles(ctx, n, []provider.File{{Path: noteDir + name, Data: []byte(note + "\n")}})
}
