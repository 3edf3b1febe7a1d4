package parley

// Reasons say why something ended: the "reason" of events and records.
const (
	// Of a call, and of a participant that leaves with it.

	ReasonHangup       = "hangup"        // the far end hung up
	ReasonRemoved      = "removed"       // the API asked for it
	ReasonMediaTimeout = "media_timeout" // no packet came for too long
	ReasonMaxDuration  = "max_duration"  // the time allowed is over; also of conferences and recordings
	ReasonError        = "error"         // a fault of ours, or an answer of the far end that cannot be used

	// Of an invite that failed.

	ReasonBusy        = "busy"        // SIP 486, 600
	ReasonNoAnswer    = "no_answer"   // nobody answered in time; SIP 408, 480, 487
	ReasonRejected    = "rejected"    // SIP 603, 403 and other refusals
	ReasonNotFound    = "not_found"   // SIP 404, 410, 484, 604
	ReasonUnreachable = "unreachable" // no answer to the request, a transport error, SIP 5xx
	ReasonCancelled   = "cancelled"   // taken back before it was answered

	// Of a conference.

	ReasonDeleted      = "deleted"       // the API asked for it
	ReasonCreateFailed = "create_failed" // it could not begin
	ReasonShutdown     = "shutdown"      // the server was stopped in an orderly way
	ReasonServerLost   = "server_lost"   // settled after a crash; also of all that was in it

	// Of a playback or recording.

	ReasonFinished        = "finished"         // played to the end
	ReasonStopped         = "stopped"          // the API asked for it, or nobody is left to hear it
	ReasonConferenceEnded = "conference_ended" // also of participants
)

// Who ends a conference: the "ended_by" of conf.end.
const (
	EndedByAPI    = "api"
	EndedByServer = "server"
)
