package inspect

import (
	"encoding/json"
	"testing"
)

func TestState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, object, want string }{
		{"StatefulSet", `{"spec":{"replicas":3},"status":{"readyReplicas":1}}`, "1/3"},
		{"DaemonSet", `{"status":{"numberReady":1,"desiredNumberScheduled":2}}`, "1/2"},
		{"Job", `{"spec":{"completions":3},"status":{"succeeded":1}}`, "1/3 done"},
		{"Job", `{}`, "0/1 done"},
		{"Job", `{"status":{"succeeded":1,"conditions":[{"type":"Complete","status":"True"}]}}`, "Complete"},
		{"CronJob", `{"spec":{"suspend":true}}`, "Suspended"},
		{"CronJob", `{}`, ""},
		{"Pod", `{"status":{"phase":"Succeeded"}}`, "Succeeded"},
		{"Pod", `{"status":{"phase":"Pending","initContainerStatuses":[{"state":{"waiting":{"reason":"PodInitializing"}}}]}}`, "Pending PodInitializing"},
		{"Service", `{"spec":{"type":"ClusterIP","clusterIP":"10.96.0.1"}}`, "ClusterIP 10.96.0.1"},
		{"EndpointSlice", `{"endpoints":[{"conditions":{"ready":true}},{"conditions":{"ready":false}},{}]}`, "2/3"},
		{"Node", `{"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}`, "not Ready"},
		{"APIService", `{"status":{"conditions":[{"type":"Available","status":"True"}]}}`, "Available"},
		{"PersistentVolume", `{"status":{"phase":"Bound"},"metadata":{"deletionTimestamp":"x"}}`, "Terminating Bound"},
		{"ConfigMap", `{}`, ""},
	} {
		var i item
		if err := json.Unmarshal([]byte(test.object), &i); err != nil {
			t.Fatal(err)
		}
		if got := i.state(test.kind); got != test.want {
			t.Errorf("%s %s is %q; want %q", test.kind, test.object, got, test.want)
		}
	}
}
