/** The steps of a search for settings that draw its trials and judge them. */
import type { ChooseSettingsInput, DrawnTrials, DrawTrialsInput, SearchedSettings } from '../contract/search.ts';
import type { StepDefinition } from '../step.ts';
import { chooseSettings } from './choosing-settings.ts';
import { drawTrials } from './search-space.ts';

export const drawTrialsStep: StepDefinition<DrawTrialsInput, DrawnTrials> = {
  type: 'selection.draw-trials',
  version: 1,
  run: (input) => Promise.resolve(input).then(drawTrials),
};

export const chooseSettingsStep: StepDefinition<ChooseSettingsInput, SearchedSettings> = {
  type: 'selection.choose-settings',
  version: 3,
  run: (input) => Promise.resolve(input).then(chooseSettings),
};
