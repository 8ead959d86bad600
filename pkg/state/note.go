package state

import (
	"context"
	"errors"
	"strings"

	"github.com/mkube/mkube/pkg/provider"
)

// noteDir is the folder where a cluster keeps the notes of commands, such as the progress of a
// tour or the faults that were caused.
const noteDir = stateDir + "/notes/"

// Note returns the last note that SetNote wrote under a name, or "". If the cluster does not
// exist, the error is a *NotFoundError.
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

// SetNote writes a note on a cluster, under a name. If the cluster does not exist, SetNote does
// nothing.
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
