-- Matomo's Contents.getContentPieces.
{{ matomo_contents_by('content_piece') }}
