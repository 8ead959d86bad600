package cli

import "testing"

func TestTracePod(t *testing.T) {
	t.Parallel()
	const pods = `{"items":[{"metadata":{"name":"web","namespace":"default","uid":"p","creationTimestamp":"2026-08-01T12:00:00Z"},
		"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"no node has room"}]}}]}`
	for _, tt := range []struct {
		line     string
		code     Code
		out, err string
	}{
		{"trace pod web", OK, `Pod web of namespace default

12:00:00                 somebody   created Pod/web   object

Pending.
Next: kube-scheduler binds the pod to a node; it does not yet because: no node has room
Sources: the objects, the events of the namespace.
Not available: the audit log of mkube-control-plane: there is none
Not available: who created the pod: the audit log does not reach back to it
`, ""},
		{"trace pod wbe", Failed, "", "Error: pod \"wbe\" does not exist in namespace \"default\", which has web: did you mean \"web\"?\n"},
		{"trace pod web -n other", Failed, "", "Error: listing the pods of namespace \"other\": the API server answers 404: could not find /api/v1/namespaces/other/pods\n"},
		{"trace pod", Usage, "", "Error: mkube trace pod needs the name of one pod: mkube kubectl -- get pods lists them\nSee mkube trace pod --help\n"},
		{"trace", Usage, "", "Error: mkube trace needs a subcommand: pod\nSee mkube trace --help\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w, api := withAPI(t)
			api.Object("/api/v1/namespaces/default/pods", pods)
			api.Object("/api/v1/namespaces/default/events", `{"items":[]}`)
			w.want(t, w.run(t, tt.line), tt.code, tt.out, tt.err)
		})
	}
}
