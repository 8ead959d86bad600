// Package inspect reads a running cluster: the owners of objects, the certificates, and how a
// pod came to run. It changes nothing.
package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// API is the API server of a cluster. cluster.API implements it.
type API interface {
	// Raw returns the response for a path. accept is a media type, or "" for JSON.
	Raw(ctx context.Context, path, accept string) ([]byte, error)
}

// An UnknownError is the error for a name that does not exist.
type UnknownError struct {
	// Message contains the name.
	Message string
	// Word is the unknown word, and Candidates are the words that may have been meant.
	Word       string
	Candidates []string
}

func (e *UnknownError) Error() string { return e.Message }

// A Kind is a kind of objects that the API server can list.
type Kind struct {
	Group, Version, Kind string
	// Resource is the plural, as in paths. Singular and Short are other words for the kind.
	Resource, Singular string
	Short              []string
	Namespaced         bool
}

// APIVersion returns the version as in objects, such as "v1" or "apps/v1".
func (k Kind) APIVersion() string {
	if k.Group == "" {
		return k.Version
	}
	return k.Group + "/" + k.Version
}

// path returns the path of the list of a kind, in a namespace or, for "", in all namespaces.
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

// aggregated is the media type for all groups in one response. See
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery.
const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// groupList has the fields of an APIGroupDiscoveryList that are used here.
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

// Kinds returns the kinds that can be listed, in the server's order. Each is in the first
// version of its group that has it. stale lists the versions of groups whose own API server does
// not answer, so that their kinds are unknown.
//
// client-go's discovery client is not used: it links the types of all API groups, which makes the
// binary 61 MB large instead of 30 MB, and each command use 13 MB more memory (2026-11-29).
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

// findKind returns the kind for a word: its plural, its singular, its kind or a short name. As
// in kubectl, the word may have a dot and the group at its end. If no kind matches, the error is
// an *UnknownError.
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
