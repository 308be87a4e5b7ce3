// Package scan shows messages to MetaDefender Core and tells what becomes of
// them (B34).
//
// Core is a server that runs files past many engines. Its REST interface is
// asynchronous: a file goes in by `POST /file`, with its length announced (Core
// takes no chunked bodies), and the answer names it by a data_id; the result is
// then asked for by `GET /file/{data_id}` until its progress is 100 per cent.
// What counts is process_info.result, "Allowed" or "Blocked": the judgement of
// the Core's own workflow rule, which has weighed what the engines said.
//
// All this happens while a client waits for the reply to its message, so that a
// refused message stays the client's: nothing is bounced by us. Three outcomes
// matter:
//
//   - Blocked: 550. The Core has spoken, and whatever the settings say about
//     Cores that do not answer, the message does not pass.
//   - Blocked because the Core could not do its work ("Failed" and the like):
//     451. It does not pass, but it may be a good message, so that the client
//     is to try again.
//   - No verdict, from no server of the profile, within the time: as the
//     settings say, 451 or onwards uninspected.
//
// The content and an API key go to a server whose certificate is verified,
// unless the profile makes an exception in so many words (B32). Nothing that a
// server answers is believed beyond a bounded number of octets, and redirects
// are not followed: they would take content and key elsewhere.
package scan
