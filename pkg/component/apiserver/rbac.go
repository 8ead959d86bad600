package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// rbacFile is what the release's API server grants its components, one JSON object
// a line, see node-image/kubernetes/rbac.go.
const rbacFile = "/usr/share/mkube/rbac.jsonl"

// createRoles creates the roles and bindings that the server begins with, several at
// once and as soon as it serves. The server's own hook would make its first try a
// second later, one object after the other: until then whatever starts is refused,
// and backs off. The hook finds them, and leaves them as they are.
func createRoles(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	data, err := provider.Output(ctx, n, "cat", rbacFile)
	if err != nil {
		return err
	}
	rules, err := Roles(data)
	if err != nil {
		return fmt.Errorf("reading %s: %w", rbacFile, err)
	}
	return c.API.Create(ctx, rules)
}

// Roles reads what the server grants, a JSON object after the other: those roles and
// bindings first that the components need which start next. Those of a namespace are
// left to the hook: the namespace may not exist yet. None is no error.
func Roles(data []byte) ([]unstructured.Unstructured, error) {
	var urgent, others []unstructured.Unstructured
	for decoder := json.NewDecoder(bytes.NewReader(data)); ; {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return append(urgent, others...), nil
		} else if err != nil {
			return nil, err
		}
		rule := unstructured.Unstructured{Object: object}
		switch {
		case rule.GetNamespace() != "":
		case slices.Contains(urgentRoles, rule.GetName()):
			urgent = append(urgent, rule)
		default:
			others = append(others, rule)
		}
	}
}

// urgentRoles are the names of both the roles and the bindings of components.
var urgentRoles = []string{
	"system:kube-controller-manager", "system:kube-scheduler", "system:volume-scheduler", "system:node-proxier",
}
