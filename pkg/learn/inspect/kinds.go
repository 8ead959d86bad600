// Package inspect sees through a cluster that is there: which object owns which, which
// certificate is for what, how a pod came to run. It changes nothing.
package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// API is the cluster's API server: cluster.API is one.
type API interface {
	// Raw is the answer at a path; accept is a media type, "" for JSON.
	Raw(ctx context.Context, path, accept string) ([]byte, error)
}

// An UnknownError says that there is nothing of a name.
type UnknownError struct {
	// Message names what was asked for.
	Message string
	// Word is what was not found, Candidates what might have been meant.
	Word       string
	Candidates []string
}

func (e *UnknownError) Error() string { return e.Message }

// A Kind is a kind of objects that the API server has a list of.
type Kind struct {
	Group, Version, Kind string
	// Resource is the plural, as paths have it; Singular and Short are other words for it.
	Resource, Singular string
	Short              []string
	Namespaced         bool
}

// APIVersion is as objects have it: "v1", "apps/v1".
func (k Kind) APIVersion() string {
	if k.Group == "" {
		return k.Version
	}
	return k.Group + "/" + k.Version
}

// path is where the list of a kind is, of all namespaces for "".
func (k Kind) path(namespace string) string {
	path := "/apis/" + k.APIVersion()
	if k.Group == "" {
		path = "/api/" + k.Version
	}
	if k.Namespaced && namespace != "" {
		path += "/namespaces/" + namespace
	}
	return path + "/" + k.Resource
}

// aggregated asks for all groups in one answer, see
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery.
const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// groupList is as much of an APIGroupDiscoveryList as is read here.
type groupList struct {
	Items []struct {
		Metadata struct{ Name string }
		Versions []struct {
			Version, Freshness string
			Resources          []struct {
				Resource, Scope, SingularResource string
				ResponseKind                      struct{ Kind string }
				Verbs, ShortNames                 []string
			}
		}
	}
}

// Kinds are those that can be listed, each in the first version that its group has it
// in, in the server's order. Stale are the groups' versions whose own API server does
// not answer: what they have is not known.
func Kinds(ctx context.Context, api API) (kinds []Kind, stale []string, err error) {
	for _, path := range []string{"/api", "/apis"} {
		data, err := api.Raw(ctx, path, aggregated)
		if err != nil {
			return nil, nil, err
		}
		var list groupList
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, nil, fmt.Errorf("reading %s of the API server: %w", path, err)
		}
		found, old := list.kinds()
		kinds, stale = append(kinds, found...), append(stale, old...)
	}
	return kinds, stale, nil
}

func (l groupList) kinds() (kinds []Kind, stale []string) {
	for _, group := range l.Items {
		seen := map[string]bool{}
		for _, version := range group.Versions {
			if version.Freshness == "Stale" {
				stale = append(stale, group.Metadata.Name+"/"+version.Version)
			}
			for _, r := range version.Resources {
				if seen[r.Resource] || !slices.Contains(r.Verbs, "list") {
					continue
				}
				seen[r.Resource] = true
				kinds = append(kinds, Kind{
					Group: group.Metadata.Name, Version: version.Version, Kind: r.ResponseKind.Kind,
					Resource: r.Resource, Singular: r.SingularResource, Short: r.ShortNames, Namespaced: r.Scope == "Namespaced",
				})
			}
		}
	}
	return kinds, stale
}

// findKind is the kind that a word means: its plural, singular, kind or a short name,
// and after a dot the group, as kubectl has it.
func findKind(kinds []Kind, word string) (Kind, error) {
	name, group, hasGroup := strings.Cut(strings.ToLower(word), ".")
	var words []string
	for _, k := range kinds {
		names := append([]string{k.Resource, k.Singular, strings.ToLower(k.Kind)}, k.Short...)
		if slices.Contains(names, name) && (!hasGroup || group == k.Group || group == k.Version+"."+k.Group) {
			return k, nil
		}
		words = append(words, k.Resource, k.Singular)
	}
	return Kind{}, &UnknownError{Message: fmt.Sprintf("the cluster has no kind %q that can be listed", word), Word: name, Candidates: words}
}
