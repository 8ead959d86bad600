package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// rbacFile is what the release's API server grants its components, one JSON object
// a line, see node-image/kubernetes/rbac.go.
const rbacFile = "/usr/share/mkube/rbac.jsonl"

// createRoles creates the roles of the components that start next, and what binds
// them. The server's own hook makes them, and all the others, only a second after
// it serves: until then whatever starts is refused, and backs off. The hook finds
// these then, and leaves them as they are.
func createRoles(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	data, err := provider.Output(ctx, n, "cat", rbacFile)
	if err != nil {
		return err
	}
	rules, err := rolesOf(data, "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy")
	if err != nil {
		return fmt.Errorf("reading %s: %w", rbacFile, err)
	}
	return c.API.Create(ctx, rules)
}

// rolesOf picks the cluster-wide bindings of users, and the roles that these bind.
// Those of a namespace are left to the hook: the namespace may not exist yet.
func rolesOf(data []byte, users ...string) ([]unstructured.Unstructured, error) {
	var all, picked []unstructured.Unstructured
	for decoder := json.NewDecoder(bytes.NewReader(data)); ; {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		all = append(all, unstructured.Unstructured{Object: object})
	}
	roles := map[string]bool{}
	for _, object := range all {
		if object.GetNamespace() == "" && bindsAny(object, users) {
			name, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
			roles[name] = true
			picked = append(picked, object)
		}
	}
	for _, object := range all {
		if object.GetKind() == "ClusterRole" && roles[object.GetName()] {
			picked = append(picked, object)
		}
	}
	return picked, nil
}

func bindsAny(object unstructured.Unstructured, users []string) bool {
	subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
	for _, s := range subjects {
		subject, _ := s.(map[string]any)
		for _, user := range users {
			if subject["kind"] == "User" && subject["name"] == user {
				return true
			}
		}
	}
	return false
}
