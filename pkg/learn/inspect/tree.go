package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// An Object is an object of the cluster, with the objects that it owns.
type Object struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	// State is its state in a few words, or "" if its kind has none.
	State string `json:"state,omitempty"`
	// Owners are the owners that the object names, as KIND/NAME.
	Owners []string `json:"owners,omitempty"`
	// Owned are the objects that name it as their owner, sorted by kind, namespace and name.
	Owned []*Object `json:"owned,omitempty"`
}

// Tree returns an object with all objects that it owns, directly or indirectly, by their
// ownerReferences. A cluster-scoped object may own objects in all namespaces, and namespace does
// not matter for it. See
// https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/. If the
// kind or the object does not exist, the error is an *UnknownError. missing describes in one
// line the kinds that could not be listed, so that their objects are not in the tree. It is ""
// if all were listed.
func Tree(ctx context.Context, api API, kind, name, namespace string) (root *Object, missing string, err error) {
	kinds, stale, err := Kinds(ctx, api)
	if err != nil {
		return nil, "", err
	}
	k, err := findKind(kinds, kind)
	if err != nil {
		return nil, "", err
	}
	if !k.Namespaced {
		namespace = "" // a cluster-scoped object may own objects in any namespace
	}
	first, err := list(ctx, api, k, namespace)
	if err != nil {
		return nil, "", fmt.Errorf("listing %s: %w", k.Resource, err)
	}
	at := slices.IndexFunc(first, func(o *Object) bool { return o.Name == name })
	if at < 0 {
		return nil, "", unknownObject(k, name, namespace, first)
	}
	root = first[at]
	if k.Namespaced {
		// An owner with a namespace and the objects that it owns are in the same one.
		kinds = slices.DeleteFunc(kinds, func(k Kind) bool { return !k.Namespaced })
	}
	others, failed := listAll(ctx, api, kinds, namespace)
	grow(root, others)
	return root, missingKinds(stale, failed), ctx.Err()
}

func unknownObject(k Kind, name, namespace string, there []*Object) error {
	message := fmt.Sprintf("%s %q does not exist", k.Singular, name)
	if k.Namespaced {
		message += fmt.Sprintf(" in namespace %q", namespace)
	}
	var names []string
	for _, o := range there {
		names = append(names, o.Name)
	}
	return &UnknownError{Message: message, Word: name, Candidates: names}
}

// listsAtOnce is the number of kinds that are listed at the same time.
const listsAtOnce = 8

// listAll lists the objects of several kinds. It returns an error for each kind that cannot be
// listed, by the name of the kind.
func listAll(ctx context.Context, api API, kinds []Kind, namespace string) ([]owned, map[string]error) {
	var mu sync.Mutex
	var objects []owned
	failed := map[string]error{}
	var g errgroup.Group
	g.SetLimit(listsAtOnce)
	for _, k := range kinds {
		g.Go(func() error {
			found, err := listOwned(ctx, api, k, namespace)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[k.Resource+" of "+k.APIVersion()] = err
			}
			objects = append(objects, found...)
			return nil // an error of one kind does not hide the other kinds
		})
	}
	_ = g.Wait() // no function returns an error
	return objects, failed
}

// missingKinds returns a line about the kinds that could not be listed, or "". Groups whose
// server does not answer come first. It contains only the first reason.
func missingKinds(stale []string, failed map[string]error) string {
	var names []string
	for name := range failed {
		names = append(names, name)
	}
	slices.Sort(names)
	all := slices.Concat(stale, names)
	if len(all) == 0 {
		return ""
	}
	reason := "its API server does not answer"
	if len(names) > 0 {
		reason = failed[names[0]].Error()
	}
	return fmt.Sprintf("these kinds could not be listed, so their objects may be missing: %s (%s)", strings.Join(all, ", "), reason)
}

// owned is an object and the UIDs of its owners.
type owned struct {
	object *Object
	owners []string
}

// metadataOnly is the media type for objects with their metadata only.
const metadataOnly = "application/json;g=meta.k8s.io;v=v1;as=PartialObjectMetadataList"

// stateless are the kinds for which only metadata is requested: they have no state, they may be
// large, and the content of Secrets must not be read here.
var stateless = []string{"secrets", "configmaps", "events"}

func list(ctx context.Context, api API, k Kind, namespace string) ([]*Object, error) {
	found, err := listOwned(ctx, api, k, namespace)
	var objects []*Object
	for _, o := range found {
		objects = append(objects, o.object)
	}
	return objects, err
}

func listOwned(ctx context.Context, api API, k Kind, namespace string) ([]owned, error) {
	accept := ""
	if slices.Contains(stateless, k.Resource) {
		accept = metadataOnly
	}
	data, err := api.Raw(ctx, k.path(namespace), accept)
	if err != nil {
		return nil, err
	}
	var list struct{ Items []item }
	// A custom resource may have a spec or status of any type. Fields that do not fit are
	// skipped.
	if err := json.Unmarshal(data, &list); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return nil, err
	}
	var objects []owned
	for _, i := range list.Items {
		o := owned{object: &Object{
			Kind: k.Kind, APIVersion: k.APIVersion(), Namespace: i.Metadata.Namespace, Name: i.Metadata.Name, UID: i.Metadata.UID,
			State: i.state(k.Kind),
		}}
		for _, owner := range i.Metadata.OwnerReferences {
			o.owners = append(o.owners, owner.UID)
			o.object.Owners = append(o.object.Owners, owner.Kind+"/"+owner.Name)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// grow adds the objects that an object owns, recursively. It adds an object only once, even if
// two groups serve it, as for events, or if owners form a cycle.
func grow(root *Object, objects []owned) {
	seen := map[string]bool{root.UID: true}
	for queue := []*Object{root}; len(queue) > 0; queue = queue[1:] {
		owner := queue[0]
		for _, o := range objects {
			if o.object.UID == "" || seen[o.object.UID] || !slices.Contains(o.owners, owner.UID) {
				continue
			}
			seen[o.object.UID] = true
			owner.Owned = append(owner.Owned, o.object)
		}
		slices.SortFunc(owner.Owned, func(a, b *Object) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
		queue = append(queue, owner.Owned...)
	}
}

// Text returns the tree, with a line for each object. A line has the namespace of its object if
// that is not the namespace of the root.
func (o *Object) Text() string {
	var out strings.Builder
	out.WriteString(o.line("") + "\n")
	o.branches(&out, "", o.Namespace)
	return out.String()
}

func (o *Object) branches(out *strings.Builder, indent, namespace string) {
	for i, child := range o.Owned {
		branch, below := "├── ", "│   "
		if i == len(o.Owned)-1 {
			branch, below = "└── ", "    "
		}
		in := ""
		if child.Namespace != namespace {
			in = child.Namespace
		}
		out.WriteString(indent + branch + child.line(in) + "\n")
		child.branches(out, indent+below, namespace)
	}
}

func (o *Object) line(namespace string) string {
	line := o.Kind + "/" + o.Name
	if namespace != "" {
		line += " (" + namespace + ")"
	}
	if o.State != "" {
		line += " " + o.State
	}
	return line
}
